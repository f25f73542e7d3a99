//! A map of headers, in order, as Envoy keeps and serializes it.

/// Headers in order; names in lower case, values as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// The first value of that name, where it is text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_bytes(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The first value of that name.
    pub fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// Whether there is one of that name.
    pub fn has(&self, name: &str) -> bool {
        self.get_bytes(name).is_some()
    }

    /// Adds one more of that name.
    pub fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.0.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
    }

    /// Puts this value in the place of all of that name.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let place = self.0.iter().position(|(key, _)| key.eq_ignore_ascii_case(name));
        match place {
            Some(place) => {
                self.0[place].1 = value.as_ref().to_vec();
                let mut index = 0;
                self.0.retain(|(key, _)| {
                    index += 1;
                    index - 1 <= place || !key.eq_ignore_ascii_case(name)
                });
            }
            None => self.add(name, value),
        }
    }

    /// Removes all of that name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each name and value in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The ABI's serialization: the count, the sizes, then names and values, each ended by a zero byte.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + self.0.len() * 32);
        bytes.extend_from_slice(&(self.0.len() as u32).to_le_bytes());
        for (name, value) in &self.0 {
            bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        }
        for (name, value) in &self.0 {
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(value);
            bytes.push(0);
        }
        bytes
    }

    /// Reads the ABI's serialization; `None` where it is damaged, which would be a bug of the module's.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Headers> {
        if bytes.is_empty() {
            return Some(Headers::default());
        }
        let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
        let count = number(0)?;
        let mut at = 4 + count * 8;
        let mut headers = Headers::default();
        for index in 0..count {
            let name = bytes.get(at..at + number(4 + index * 8)?)?;
            at += name.len() + 1;
            let value = bytes.get(at..at + number(8 + index * 8)?)?;
            at += value.len() + 1;
            headers.add(std::str::from_utf8(name).ok()?, value);
        }
        (at == bytes.len()).then_some(headers)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Headers {
    fn from(pairs: [(&str, &str); N]) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in pairs {
            headers.add(name, value);
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::Headers;

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let mut headers = Headers::from([(":method", "GET"), ("empty", "")]);
        headers.add("bytes", [0xff, 0x00, 0x80]);
        assert_eq!(Headers::decode(&headers.encode()), Some(headers));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let bytes = Headers::from([("name", "value")]).encode();
        for end in 1..bytes.len() {
            assert_eq!(Headers::decode(&bytes[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn setting_replaces_every_value_of_the_name() {
        let mut headers = Headers::from([("a", "1"), ("b", "2"), ("A", "3")]);
        headers.set("a", "4");
        assert_eq!(headers, Headers::from([("a", "4"), ("b", "2")]));
    }
}
