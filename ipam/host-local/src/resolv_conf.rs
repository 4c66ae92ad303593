//! resolv.conf(5), as far as a result has places for it.

use std::{
    io::{self, Read},
    path::Path,
};

use cni::{Code, Dns, Error, Result};

use crate::file;

/// Bytes that are read at most: somebody may name a file that does not end.
const LONGEST: u64 = 1 << 20;

/// What the file at `path` says; code 5 if it cannot be read.
pub fn read(path: &Path) -> Result<Dns> {
    let read = || -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        file::open_to_read(path)?.take(LONGEST).read_to_end(&mut content)?;
        Ok(content)
    };
    let content =
        read().map_err(|error| Error::new(Code::Io, format!("read \"resolvConf\" {}: {error}", path.display())))?;
    Ok(parse(&String::from_utf8_lossy(&content)))
}

/// The first value counts after `nameserver` and `domain`, all of them after `search` and `options`; the last `domain`
/// wins, everything else adds up. Other keywords, and comments, are skipped.
pub fn parse(text: &str) -> Dns {
    let mut dns = Dns::default();
    for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', ';'])) {
        let mut words = line.split_whitespace();
        let keyword = words.next().unwrap_or_default();
        let mut values = words.map(str::to_owned);
        match keyword {
            "nameserver" => dns.nameservers.extend(values.next()),
            "domain" => dns.domain = values.next().or(dns.domain),
            "search" => dns.search.extend(values),
            "options" => dns.options.extend(values),
            _ => {}
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_read() {
        let dns = parse(
            "nameserver 192.0.2.0 ignored\nnameserver 2001:db8::1\n domain example.com\nsearch a.com\tb.com\nsearch c.com\n\
             options ndots:5\noptions timeout:1 rotate\nsortlist 1.2.3.4\n",
        );
        assert_eq!(dns.nameservers, ["192.0.2.0", "2001:db8::1"]);
        assert_eq!(dns.domain.as_deref(), Some("example.com"));
        assert_eq!(dns.search, ["a.com", "b.com", "c.com"]);
        assert_eq!(dns.options, ["ndots:5", "timeout:1", "rotate"]);
    }

    #[test]
    fn comments_and_words_without_values_are_skipped() {
        let dns = parse("# nameserver 1.1.1.1\n  ; search x\n\nnameserver\ndomain\nsearch\r\nnameserver 192.0.2.0\r\n");
        assert_eq!(dns, Dns { nameservers: vec!["192.0.2.0".into()], ..Dns::default() });
    }

    #[test]
    fn last_domain_wins() {
        assert_eq!(parse("domain a\ndomain b\ndomain").domain.as_deref(), Some("b"));
    }

    #[test]
    fn unreadable_file_is_named() {
        let error = read(Path::new("/nonexistent/resolv.conf")).unwrap_err();
        assert_eq!(error.code, Code::Io);
        assert!(error.msg.starts_with("read \"resolvConf\" /nonexistent/resolv.conf: "), "{error}");
    }
}
