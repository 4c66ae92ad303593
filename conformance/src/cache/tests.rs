use super::*;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

fn cache() -> (TempDir, Cache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::new(&dir.path().join("cni"));
    (dir, cache)
}

fn key(container_id: &str, ifname: &str) -> AttachmentKey {
    AttachmentKey { container_id: container_id.into(), ifname: ifname.into() }
}

fn write(cache: &Cache, name: &str, text: &str) {
    fs::create_dir_all(&cache.results).unwrap();
    fs::write(cache.results.join(name), text).unwrap();
}

#[test]
fn stored_file_is_libcnis_to_the_byte() {
    let (_dir, cache) = cache();
    let mut entry = Entry::new("net", &key("c1", "eth0"), "{\"name\":\"net\"}");
    entry.netns = "/run/netns/x".into();
    entry.args = Args::parse("K=V").unwrap();
    entry.capability_args = Object::parse(br#"{"x":12345678901234567890123}"#).unwrap();
    entry.result = Some(json!({"cniVersion": "1.0.0"}));
    cache.store(&entry).unwrap();

    let path = cache.results.join("net-c1-eth0");
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        r#"{"kind":"cniCacheV1","containerId":"c1","config":"eyJuYW1lIjoibmV0In0=","ifName":"eth0","networkName":"net","netns":"/run/netns/x","cniArgs":[["K","V"]],"capabilityArgs":{"x":12345678901234567890123},"result":{"cniVersion":"1.0.0"}}"#
    );
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&cache.results)), (0o600, 0o700));
    assert_eq!(fs::read_dir(&cache.results).unwrap().count(), 1);
    assert_eq!(entry.config().unwrap(), b"{\"name\":\"net\"}");
    assert_eq!(cache.read("net", &key("c1", "eth0")).unwrap(), Cached::Entry(Box::new(entry)));
}

#[test]
fn empty_fields_are_left_out() {
    let (_dir, cache) = cache();
    cache.store(&Entry::new("net", &key("c1", "eth0"), "{}")).unwrap();
    assert_eq!(
        fs::read_to_string(cache.results.join("net-c1-eth0")).unwrap(),
        r#"{"kind":"cniCacheV1","containerId":"c1","config":"e30=","ifName":"eth0","networkName":"net"}"#
    );
}

#[test]
fn file_of_libcni_with_sorted_keys_and_nulls_is_read() {
    let (_dir, cache) = cache();
    write(
        &cache,
        "net-c1-eth0",
        r#"{"capabilityArgs":null,"cniArgs":null,"config":"e30=","containerId":"c1","ifName":"eth0","kind":"cniCacheV1","netns":"/n","networkName":"net","result":null,"new":1}"#,
    );
    let Cached::Entry(entry) = cache.read("net", &key("c1", "eth0")).unwrap() else { panic!("not an entry") };
    assert_eq!((entry.netns.as_str(), entry.result), ("/n", None));
    assert!(entry.args.is_empty() && entry.capability_args.is_empty());
}

#[test]
fn nothing_cached_is_missing() {
    let (_dir, cache) = cache();
    assert_eq!(cache.read("net", &key("c1", "eth0")).unwrap(), Cached::Missing);
    assert!(cache.list().unwrap().entries.is_empty());
    cache.remove("net", &key("c1", "eth0")).unwrap();
}

#[test]
fn bare_result_is_legacy() {
    let (_dir, cache) = cache();
    write(&cache, "net-c1-eth0", r#"{"cniVersion":"0.3.1","ips":[]}"#);
    let legacy = Cached::Legacy(json!({"cniVersion": "0.3.1", "ips": []}));
    assert_eq!(cache.read("net", &key("c1", "eth0")).unwrap(), legacy);
    assert!(cache.list().unwrap().entries.is_empty());
    cache.remove("net", &key("c1", "eth0")).unwrap();
    assert_eq!(cache.read("net", &key("c1", "eth0")).unwrap(), Cached::Missing);
}

#[test]
fn file_name_shared_with_another_attachment_is_not_mistaken() {
    let (_dir, cache) = cache();
    let other = Entry::new("a-b", &key("c", "eth0"), "{}");
    cache.store(&other).unwrap();
    let ours = key("b-c", "eth0");
    assert_eq!(cache.read("a", &ours).unwrap(), Cached::Foreign(Box::new(other.clone())));
    cache.remove("a", &ours).unwrap();
    assert_eq!(cache.read("a-b", &other.key()).unwrap(), Cached::Entry(Box::new(other)));
}

#[test]
fn damaged_file_is_corrupt_and_can_be_removed() {
    for text in [
        "",
        "{",
        "[]",
        r#"{"kind":"other"}"#,
        r#"{"kind":"other","containerId":"c1","config":"","ifName":"eth0","networkName":"net"}"#,
        r#"{"kind":"cniCacheV1","containerId":"","config":"","ifName":"eth0","networkName":"net"}"#,
    ] {
        let (_dir, cache) = cache();
        write(&cache, "net-c1-eth0", text);
        let cached = cache.read("net", &key("c1", "eth0")).unwrap();
        assert!(matches!(cached, Cached::Corrupt(_)), "{text}: {cached:?}");
        cache.remove("net", &key("c1", "eth0")).unwrap();
        assert_eq!(cache.read("net", &key("c1", "eth0")).unwrap(), Cached::Missing);
    }
}

#[test]
fn listing_skips_what_is_damaged_and_says_so() {
    let (_dir, cache) = cache();
    for (network, container_id) in [("b", "c2"), ("a", "c1")] {
        cache.store(&Entry::new(network, &key(container_id, "eth0"), "{}")).unwrap();
    }
    write(&cache, "net-x-eth0", "{");
    write(&cache, ".77.tmp", "{");
    let listing = cache.list().unwrap();
    let networks: Vec<_> = listing.entries.iter().map(|entry| entry.network.as_str()).collect();
    assert_eq!(networks, ["a", "b"]);
    assert_eq!(listing.unreadable.len(), 1);
    assert!(listing.unreadable[0].contains("net-x-eth0: not a JSON object"));
}

#[test]
fn failed_store_leaves_no_temporary_file() {
    let (_dir, cache) = cache();
    fs::create_dir_all(cache.results.join("net-c1-eth0")).unwrap();
    let error = cache.store(&Entry::new("net", &key("c1", "eth0"), "{}")).unwrap_err().to_string();
    assert!(error.starts_with(&format!("write cache {}", cache.results.join("net-c1-eth0").display())), "{error}");
    assert_eq!(fs::read_dir(&cache.results).unwrap().count(), 1);
}
