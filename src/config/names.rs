//! Lists of names that people choose from, and a guess at what they meant.

/// `one of a, b, c`, and if `wrong` is nearly one of them, which.
pub(super) fn one_of<'n>(names: impl Iterator<Item = &'n str> + Clone, wrong: &str) -> String {
    let list = names.clone().collect::<Vec<_>>().join(", ");
    match nearest(names, wrong) {
        Some(name) => format!("one of {list} (did you mean {name}?)"),
        None => format!("one of {list}"),
    }
}

/// The name that differs from `wrong` by a slip or two, or only in case and separators: `numRetries`, `num-retires`.
fn nearest<'n>(names: impl Iterator<Item = &'n str>, wrong: &str) -> Option<&'n str> {
    // The longest name is well below this; what is longer is none of them, and would take long to compare.
    if wrong.len() > 64 {
        return None;
    }
    let wrong = letters(wrong);
    names
        .map(|name| (distance(&letters(name), &wrong), name))
        .filter(|(distance, name)| *distance <= 2 && *distance * 3 <= name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A name without what naming styles differ in.
fn letters(name: &str) -> Vec<u8> {
    name.bytes()
        .filter(|byte| !matches!(byte, b'_' | b'-' | b' '))
        .map(|byte| byte.to_ascii_lowercase())
        .collect()
}

/// Levenshtein's distance: how many bytes to insert, remove or replace.
fn distance(a: &[u8], b: &[u8]) -> usize {
    // A row of the usual matrix, without its first column, which counts up.
    let mut row: Vec<usize> = (1..=b.len()).collect();
    let mut last = b.len();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        last = i + 1;
        for (cell, to) in row.iter_mut().zip(b) {
            let above = *cell;
            let replaced = diagonal + usize::from(from != to);
            last = replaced.min(above + 1).min(last + 1);
            diagonal = above;
            *cell = last;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("", "ab", 2),
            ("ab", "", 2),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), edits, "{a} {b}");
        }
    }

    #[test]
    fn a_slip_is_guessed_and_a_stranger_is_not() {
        let names = || ["num_retries", "timeout", "5xx"].into_iter();
        for (wrong, guess) in [
            ("num_retires", Some("num_retries")),
            ("numRetries", Some("num_retries")),
            ("time-outs", Some("timeout")),
            ("5XX", Some("5xx")),
            ("4xx", Some("5xx")),
            ("header", None),
            ("", None),
        ] {
            assert_eq!(nearest(names(), wrong), guess, "{wrong}");
        }
    }

    #[test]
    fn a_guess_stands_behind_the_list() {
        assert_eq!(
            one_of(["reset", "5xx"].into_iter(), "resets"),
            "one of reset, 5xx (did you mean reset?)"
        );
        assert_eq!(one_of(["reset", "5xx"].into_iter(), "never"), "one of reset, 5xx");
    }
}
