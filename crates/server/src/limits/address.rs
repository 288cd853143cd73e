//! Whose connection it is.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use super::config::ForwardedHeader;

/// Proxies in a row that are looked through; who needs more has no one to trust.
const MAX_HOPS: usize = 32;

/// A client address as limits count it: IPv4 as it is, IPv6 by its /64, of which one client has all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientKey(u64, bool);

impl ClientKey {
    /// The key of an address.
    pub fn new(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(v4.to_bits()), false),
            IpAddr::V6(v6) => Self((v6.to_bits() >> 64) as u64, true),
        }
    }
}

/// Finds the client behind proxies that are trusted to name it.
#[derive(Clone, Debug)]
pub(crate) struct Proxies {
    trusted: Vec<IpNet>,
    header: ForwardedHeader,
}

impl Proxies {
    /// Trusts these.
    pub fn new(trusted: Vec<IpNet>, header: ForwardedHeader) -> Self {
        Self { trusted, header }
    }

    /// The client's address: the hop nearest to us that is not trusted. What it says of those before
    /// it is nobody's word but its own.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let name = match self.header {
            ForwardedHeader::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            ForwardedHeader::Forwarded => header::FORWARDED,
        };
        let mut last = peer;
        let lines = headers.get_all(name).iter().rev().map(|v| v.to_str().unwrap_or("?"));
        for hop in lines.flat_map(|line| line.rsplit(',')).take(MAX_HOPS) {
            let named = match self.header {
                ForwardedHeader::XForwardedFor => address(hop),
                ForwardedHeader::Forwarded => forwarded_for(hop).and_then(address),
            };
            // Something else than an address, e.g. `unknown`: the proxy itself has to answer for it.
            let Some(named) = named else { return last };
            last = named;
            if !self.trusts(named) {
                return named;
            }
        }
        last
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address))
    }
}

/// An address with or without a port, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let found = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').and_then(|(v6, _)| v6.parse::<Ipv6Addr>().ok())?.into(),
        None => match text.parse::<IpAddr>() {
            Ok(address) => address,
            Err(_) => text.parse::<SocketAddr>().ok()?.ip(),
        },
    };
    Some(found.to_canonical())
}

/// The `for` of one element of `Forwarded` (RFC 7239, section 4). No address holds a comma, a
/// semicolon or a quote, so that quoted strings need not be taken apart with more care.
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn client(trusted: &[&str], header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
        let trusted = trusted.iter().map(|net| net.parse().unwrap()).collect();
        let name = match header {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => "forwarded",
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, line.parse().unwrap());
        }
        headers.append(
            if name == "forwarded" { "x-forwarded-for" } else { "forwarded" },
            "for=6.6.6.6, 6.6.6.6".parse().unwrap(),
        );
        Proxies::new(trusted, header).client(peer.parse().unwrap(), &headers).to_string()
    }

    fn xff(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        client(trusted, ForwardedHeader::XForwardedFor, peer, lines)
    }

    #[test]
    fn nobody_is_believed_who_is_not_trusted() {
        assert_eq!(xff(&[], "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
        assert_eq!(xff(&["10.0.0.0/8"], "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
    }

    #[test]
    fn the_nearest_hop_that_is_not_trusted_is_the_client() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        for (lines, expected) in [
            (&["1.1.1.1"][..], "1.1.1.1"),
            (&["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
            (&["6.6.6.6, 1.1.1.1, 10.0.0.9"], "1.1.1.1"),
            (&["6.6.6.6", "1.1.1.1 ,10.0.0.9"], "1.1.1.1"),
            (&["1.1.1.1:4711"], "1.1.1.1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["[2001:db8::1]:80, fd00::7"], "2001:db8::1"),
            (&["::ffff:1.2.3.4"], "1.2.3.4"),
            // All are trusted: the farthest.
            (&["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
            // Nothing can be told: the last that could.
            (&[], "10.0.0.1"),
            (&["1.1.1.1, unknown"], "10.0.0.1"),
            (&["1.1.1.1, garbage, 10.0.0.9"], "10.0.0.9"),
            (&["1.1.1.1,"], "10.0.0.1"),
        ] {
            assert_eq!(xff(&trusted, "10.0.0.1", lines), expected, "{lines:?}");
            assert_eq!(xff(&trusted, "::ffff:10.0.0.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn forwarded_counts_where_it_was_chosen() {
        let forwarded =
            |lines: &[&str]| client(&["10.0.0.0/8"], ForwardedHeader::Forwarded, "10.0.0.1", lines);
        for (lines, expected) in [
            (&["for=1.1.1.1;proto=https;by=10.0.0.1"][..], "1.1.1.1"),
            (&["for=6.6.6.6, proto=http; For=\"1.1.1.1:80\", for=10.0.0.9"], "1.1.1.1"),
            (&["for=\"[2001:db8::1]:4711\""], "2001:db8::1"),
            (&["for=_hidden"], "10.0.0.1"),
            (&["for=unknown"], "10.0.0.1"),
            (&["proto=https"], "10.0.0.1"),
        ] {
            assert_eq!(forwarded(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn endless_lists_are_not_followed() {
        let list = vec!["10.0.0.2"; 1000].join(",");
        assert_eq!(xff(&["10.0.0.0/8"], "10.0.0.1", &[&format!("1.1.1.1,{list}")]), "10.0.0.2");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let key = |text: &str| ClientKey::new(text.parse().unwrap());
        assert_eq!(key("2001:db8:0:1::1"), key("2001:db8:0:1:ffff::2"));
        assert_ne!(key("2001:db8:0:1::1"), key("2001:db8:0:2::1"));
        assert_ne!(key("1.1.1.1"), key("1.1.1.2"));
        assert_eq!(key("::ffff:1.1.1.1"), key("1.1.1.1"));
        // An IPv6 network whose upper half looks like an IPv4 address is another client.
        assert_ne!(key("0:0:101:101::1"), key("1.1.1.1"));
    }

    proptest! {
        /// Whatever a client writes in front, the hop that the trusted proxy added decides.
        #[test]
        fn clients_cannot_choose_their_address(front in "[ -~]{0,60}") {
            let line = format!("{front}, 1.2.3.4");
            prop_assert_eq!(xff(&["10.0.0.0/8"], "10.0.0.1", &[&line]), "1.2.3.4");
            let line = format!("{front}, for=1.2.3.4");
            let got = client(&["10.0.0.0/8"], ForwardedHeader::Forwarded, "10.0.0.1", &[&line]);
            prop_assert_eq!(got, "1.2.3.4");
        }
    }
}
