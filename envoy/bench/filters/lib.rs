//! What a filter costs that does nothing (`empty.rs`), and one that does only what cannot be avoided (`floor.rs`).
