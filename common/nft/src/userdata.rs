//! User data: what the kernel keeps beside an object without reading it.
//!
//! A sequence of type (one byte), length (one byte), value: the format of libnftnl (`udata.h`), by which nft stores
//! comments. nft skips types that it does not know, so an owner can keep a value of its own beside the comment.

/// The longest comment, without its NUL: `NFTNL_UDATA_COMMENT_MAXLEN` of libnftnl.
pub const COMMENT_MAX: usize = 128;

/// Two less than `NFT_USERDATA_MAXLEN` (`include/uapi/linux/netfilter/nf_tables.h`). Of an element the kernel keeps the
/// length, and the length with its own byte, in 8 bits each (`nft_add_set_elem`, `net/netfilter/nf_tables_api.c`):
/// measured on 6.18, it silently drops 256 bytes and refuses 255.
const USERDATA_MAX: usize = 254;

/// `NFTNL_UDATA_RULE_COMMENT`, `NFTNL_UDATA_SET_ELEM_COMMENT`.
const COMMENT: u8 = 0;

/// The first type that nft itself does not use: 1 is `NFTNL_UDATA_SET_ELEM_FLAGS` and `NFTNL_UDATA_RULE_EBPF`.
const PRIVATE_MIN: u8 = 2;

/// A private value beside a comment. Types 0 and 1 are nft's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tlv {
    /// The type, at least 2; choose a high one, nft counts upwards.
    pub kind: u8,
    /// The value; beside a full comment up to 121 bytes fit.
    pub value: Vec<u8>,
}

/// A comment cut to what nft accepts, at a character's end and at the first NUL.
fn cut(comment: &str) -> &str {
    let comment = comment.split('\0').next().unwrap_or_default();
    let longest = comment.len().min(COMMENT_MAX);
    (0..=longest).rev().find_map(|end| comment.get(..end)).unwrap_or_default()
}

/// Encodes; `Err` says why it cannot be done.
pub(crate) fn encode(comment: Option<&str>, private: Option<&Tlv>) -> Result<Vec<u8>, &'static str> {
    let mut bytes = Vec::new();
    if let Some(comment) = comment {
        let mut value = cut(comment).as_bytes().to_vec();
        value.push(0);
        push(&mut bytes, COMMENT, &value)?;
    }
    if let Some(tlv) = private {
        if tlv.kind < PRIVATE_MIN {
            return Err("user data types 0 and 1 belong to nft");
        }
        push(&mut bytes, tlv.kind, &tlv.value)?;
    }
    if bytes.len() > USERDATA_MAX {
        return Err("user data is longer than 254 bytes");
    }
    Ok(bytes)
}

/// Appends one value.
pub(crate) fn push(bytes: &mut Vec<u8>, kind: u8, value: &[u8]) -> Result<(), &'static str> {
    let len = u8::try_from(value.len()).map_err(|_| "a user data value is longer than 255 bytes")?;
    bytes.extend([kind, len]);
    bytes.extend(value);
    Ok(())
}

/// The comment and the first private value. Whatever follows a malformed entry is ignored.
pub(crate) fn decode(bytes: &[u8]) -> (Option<String>, Option<Tlv>) {
    let (mut comment, mut private) = (None, None);
    let mut rest = bytes;
    while let [kind, len, tail @ ..] = rest {
        let Some((value, next)) = tail.split_at_checked(usize::from(*len)) else { break };
        match *kind {
            COMMENT if comment.is_none() => comment = Some(text(value)),
            PRIVATE_MIN.. if private.is_none() => private = Some(Tlv { kind: *kind, value: value.to_vec() }),
            _ => {}
        }
        rest = next;
    }
    (comment, private)
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comment_and_private_value_read_back() {
        let tlv = Tlv { kind: 0xc0, value: vec![1, 2, 0] };
        let bytes = encode(Some("web"), Some(&tlv)).unwrap();
        assert_eq!(bytes, [0, 4, b'w', b'e', b'b', 0, 0xc0, 3, 1, 2, 0]);
        assert_eq!(decode(&bytes), (Some("web".to_owned()), Some(tlv)));
    }

    #[test]
    fn long_comment_is_cut_at_a_character() {
        let long = format!("{}é", "x".repeat(127));
        assert_eq!(cut(&long), "x".repeat(127));
        let bytes = encode(Some(&"y".repeat(300)), None).unwrap();
        assert_eq!(bytes.len(), 2 + 128 + 1);
    }

    #[test]
    fn oversized_values_are_refused() {
        assert!(encode(None, Some(&Tlv { kind: 9, value: vec![0; 256] })).is_err());
        assert!(encode(Some(&"y".repeat(128)), Some(&Tlv { kind: 9, value: vec![0; 122] })).is_err());
        assert!(encode(Some(&"y".repeat(128)), Some(&Tlv { kind: 9, value: vec![0; 121] })).is_ok());
        assert!(encode(None, Some(&Tlv { kind: 1, value: vec![] })).is_err());
    }

    #[test]
    fn junk_is_ignored() {
        assert_eq!(decode(&[0]), (None, None));
        assert_eq!(decode(&[0, 9, b'a']), (None, None));
        assert_eq!(decode(&[1, 1, 7, 0, 2, b'a', 0]), (Some("a".to_owned()), None));
    }
}
