//! Names of domains that come from the network and go into somebody's `resolv.conf`.

/// The name without its final dot, if it is one: letters, digits, hyphens, underscores and dots.
pub fn checked(text: &str) -> Option<String> {
    // Some servers count the end of a C string in.
    let name = text.trim_end_matches('\0').trim_end_matches('.');
    let is_sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!name.is_empty() && name.len() <= 253 && name.chars().all(is_sound)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_get_through() {
        assert_eq!(checked("a-1.example.com.").as_deref(), Some("a-1.example.com"));
        assert_eq!(checked("example.com\0").as_deref(), Some("example.com"));
        for odd in ["", ".", "a b", "a\nnameserver 192.0.2.1", "ä.example", &"x".repeat(254)] {
            assert_eq!(checked(odd), None, "{odd}");
        }
    }
}
