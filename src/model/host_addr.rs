//! The address of an upstream host.

use super::Entropy;
use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A host of a cluster: `ip:port`, as in Envoy's `upstream.address` attribute and in the override header.
///
/// Kept as numbers, so that comparing and hashing cost no string work. Hosts that are no `ip:port` (Unix sockets,
/// internal listeners, IPv6 addresses of one link) can't be named by the override policy's header and so are no
/// `HostAddr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostAddr(SocketAddr);

/// In one word for IPv4, three for IPv6. The address of a host is hashed several times for each request.
impl Hash for HostAddr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let port = u64::from(self.0.port());
        match self.0.ip() {
            IpAddr::V4(ip) => state.write_u64(u64::from(u32::from(ip)) << 16 | port),
            IpAddr::V6(ip) => {
                let ip = u128::from(ip);
                state.write_u64((ip >> 64) as u64);
                state.write_u64(ip as u64);
                state.write_u64(port);
            }
        }
    }
}

/// Why a text is no [`HostAddr`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an ip:port address")]
pub struct HostAddrError;

impl HostAddr {
    /// Reads `ip:port` (`[ip]:port` for IPv6) from the bytes of an attribute.
    ///
    /// # Errors
    /// If the bytes are anything else, a host name included: Envoy resolves names before it connects.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HostAddrError> {
        match parse_v4(bytes) {
            Some(addr) => Ok(Self(addr)),
            None => std::str::from_utf8(bytes).map_err(|_| HostAddrError)?.parse(),
        }
    }

    /// The address as a well-mixed number: the same in every worker and every run.
    pub fn mixed(self) -> u64 {
        let ip = match self.0.ip() {
            IpAddr::V4(ip) => u128::from(u32::from(ip)),
            IpAddr::V6(ip) => u128::from(ip),
        };
        let folded = (ip >> 64) as u64 ^ (ip as u64) ^ u64::from(self.0.port()).rotate_left(48);
        Entropy::seeded(folded).draw()
    }

    /// Appends the address as it is displayed. A pin is written for each request while a host is out: for IPv4 it goes
    /// without the formatter, which costs ten times as much.
    pub fn push_to(self, text: &mut String) {
        let IpAddr::V4(ip) = self.0.ip() else {
            // Writing to a string does not fail.
            let _ = write!(text, "{self}");
            return;
        };
        let mut written = Digits::default();
        for (part, after) in ip.octets().into_iter().zip(b"...:") {
            written.number(part.into());
            written.byte(*after);
        }
        written.number(self.0.port());
        text.push_str(written.text());
    }

    /// The address as the standard library's type.
    pub const fn socket_addr(self) -> SocketAddr {
        self.0
    }
}

/// Reads `a.b.c.d:port` at a third of what the standard library's parser costs: each answer brings its host's address.
/// `None` if that parser has to look.
fn parse_v4(bytes: &[u8]) -> Option<SocketAddr> {
    let mut octets = [0; 4];
    let mut rest = bytes;
    for (octet, after) in octets.iter_mut().zip(b"...:") {
        let (number, more) = leading_number(rest)?;
        *octet = u8::try_from(number).ok()?;
        let (found, more) = more.split_first()?;
        if found != after {
            return None;
        }
        rest = more;
    }
    let (port, rest) = leading_number(rest)?;
    let port = u16::try_from(port).ok()?;
    rest.is_empty().then(|| SocketAddr::from((octets, port)))
}

/// The number of up to five digits that the bytes begin with, without needless zeros, and what follows it.
#[inline]
fn leading_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    const MOST: usize = 5;
    let is_digit = |byte: &u8| byte.wrapping_sub(b'0') <= 9;
    let length = bytes.iter().take(MOST + 1).take_while(|byte| is_digit(byte)).count();
    let (digits, rest) = bytes.split_at_checked(length)?;
    if length > MOST || (length > 1 && digits.first() == Some(&b'0')) || length == 0 {
        return None;
    }
    let number = digits
        .iter()
        .fold(0, |number, digit| number * 10 + u32::from(digit.wrapping_sub(b'0')));
    Some((number, rest))
}

/// Room for `255.255.255.255:65535`.
#[derive(Default)]
struct Digits {
    bytes: [u8; 21],
    length: usize,
}

impl Digits {
    fn byte(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte;
            self.length += 1;
        }
    }

    fn number(&mut self, number: u16) {
        for unit in [10_000, 1_000, 100, 10] {
            if number >= unit {
                self.byte(b'0' + (number / unit % 10) as u8);
            }
        }
        self.byte(b'0' + (number % 10) as u8);
    }

    fn text(&self) -> &str {
        // Digits and dots.
        let written = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(written).unwrap_or_default()
    }
}

impl FromStr for HostAddr {
    type Err = HostAddrError;

    fn from_str(text: &str) -> Result<Self, HostAddrError> {
        match text.parse() {
            Ok(SocketAddr::V6(addr)) if addr.scope_id() != 0 => Err(HostAddrError),
            Ok(addr) => Ok(Self(addr)),
            Err(_) => Err(HostAddrError),
        }
    }
}

impl From<SocketAddr> for HostAddr {
    fn from(addr: SocketAddr) -> Self {
        Self(addr)
    }
}

impl fmt::Display for HostAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_envoy_writes_it() {
        for text in ["10.0.0.1:80", "[2001:db8::1]:8443"] {
            assert_eq!(
                HostAddr::from_bytes(text.as_bytes()).map(|addr| addr.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn an_address_is_written_as_it_is_displayed() {
        for text in [
            "0.0.0.0:0",
            "10.0.0.1:80",
            "9.99.100.255:65535",
            "127.0.0.10:10000",
            "1.2.3.4:9999",
            "[2001:db8::1]:8443",
        ] {
            let mut written = String::new();
            HostAddr::from_bytes(text.as_bytes()).unwrap().push_to(&mut written);
            assert_eq!(written, text);
        }
        for port in 0..=u16::MAX {
            let addr = HostAddr::from(SocketAddr::from(([1, 2, 3, (port >> 8) as u8], port)));
            let mut written = String::new();
            addr.push_to(&mut written);
            assert_eq!(written, addr.to_string());
        }
    }

    #[test]
    fn an_address_is_read_as_the_standard_library_reads_it() {
        let parts = [
            "", "0", "00", "1", "01", "9", "10", "99", "100", "255", "256", "1000", "-1", "+1", "a", " 1",
        ];
        let ports = [
            "", "0", "00", "1", "080", "80", "65535", "65536", "99999", "100000", "+80", "80 ", "8a",
        ];
        for part in parts {
            for port in ports {
                for text in [
                    format!("{part}.2.3.4:{port}"),
                    format!("1.2.3.{part}:{port}"),
                    format!("1.2.3:{port}"),
                    format!("1.2.3.4.{part}:{port}"),
                    format!("1.2.3.4{port}"),
                ] {
                    let expected = text.parse::<SocketAddr>().ok().map(HostAddr);
                    assert_eq!(HostAddr::from_bytes(text.as_bytes()).ok(), expected, "{text}");
                }
            }
        }
    }

    #[test]
    fn what_the_override_header_cannot_name_is_no_address() {
        for bytes in [
            &b"/tmp/socket"[..],
            b"backend:80",
            b"10.0.0.1",
            b"[fe80::1%2]:80",
            b"",
            b"\xff",
        ] {
            assert_eq!(HostAddr::from_bytes(bytes), Err(HostAddrError));
        }
    }
}
