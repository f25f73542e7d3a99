//! The shared data of one `vm_id`, with exactly the rules of Envoy's.

use crate::abi::Status;
use std::collections::BTreeMap;

/// Values under keys, each with the number of the write that put it there.
#[derive(Default)]
pub(crate) struct SharedData {
    values: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    last_cas: u32,
    writes: u64,
    conflicts: u64,
}

impl SharedData {
    pub(crate) fn get(&self, key: &[u8]) -> Result<(&[u8], u32), Status> {
        let (value, cas) = self.values.get(key).ok_or(Status::NotFound)?;
        Ok((value, *cas))
    }

    /// A cas of 0 writes whatever is there; so does any cas where there is nothing.
    pub(crate) fn set(&mut self, key: &[u8], value: &[u8], cas: u32) -> Result<(), Status> {
        if let Some((_, current)) = self.values.get(key)
            && cas != 0
            && cas != *current
        {
            self.conflicts += 1;
            return Err(Status::CasMismatch);
        }
        // One counter for all keys, and it never gives 0.
        self.last_cas = self.last_cas.wrapping_add(1).max(1);
        self.writes += 1;
        self.values.insert(key.to_vec(), (value.to_vec(), self.last_cas));
        Ok(())
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.values.keys().map(Vec::as_slice)
    }

    pub(crate) fn writes(&self) -> u64 {
        self.writes
    }

    pub(crate) fn conflicts(&self) -> u64 {
        self.conflicts
    }
}

#[cfg(test)]
mod tests {
    use super::SharedData;
    use crate::abi::Status;

    #[test]
    fn a_missing_key_is_not_found() {
        assert_eq!(SharedData::default().get(b"k"), Err(Status::NotFound));
    }

    #[test]
    fn one_counter_numbers_the_writes_of_all_keys_from_one() {
        let mut data = SharedData::default();
        data.set(b"a", b"1", 0).unwrap();
        data.set(b"b", b"2", 0).unwrap();
        data.set(b"a", b"3", 0).unwrap();
        assert_eq!(data.get(b"a"), Ok((&b"3"[..], 3)));
        assert_eq!(data.get(b"b"), Ok((&b"2"[..], 2)));
    }

    #[test]
    fn a_write_with_an_old_number_conflicts_and_changes_nothing() {
        let mut data = SharedData::default();
        data.set(b"a", b"1", 0).unwrap();
        data.set(b"a", b"2", 1).unwrap();
        assert_eq!(data.set(b"a", b"3", 1), Err(Status::CasMismatch));
        assert_eq!(data.get(b"a"), Ok((&b"2"[..], 2)));
        assert_eq!((data.writes(), data.conflicts()), (2, 1));
    }

    #[test]
    fn a_write_to_a_missing_key_succeeds_whatever_its_number() {
        let mut data = SharedData::default();
        assert_eq!(data.set(b"a", b"1", 77), Ok(()));
        assert_eq!(data.get(b"a"), Ok((&b"1"[..], 1)));
    }
}
