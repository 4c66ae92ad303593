use std::{
    fs::{self, File},
    net::Ipv4Addr,
    os::unix::fs::FileExt,
    path::PathBuf,
};

use cni::Attachment;
use proptest::{collection::vec, prelude::*, sample::select};
use tempfile::TempDir;

use super::*;
use crate::{index::page::PAGE, lease::Lookup};

const BOOT: &str = "3f0a1b2c-1111-4222-8333-444455556666";

fn owner(id: &str) -> Owner {
    Owner::Attachment(Attachment { container_id: id.into(), ifname: "eth0".into() })
}

fn v4(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + number).into()
}

fn place(temp: &TempDir) -> Place {
    let dir = temp.path().join("net");
    fs::create_dir_all(&dir).unwrap();
    Place::of(&dir, BOOT).unwrap()
}

fn path(temp: &TempDir) -> PathBuf {
    temp.path().join(".net.index")
}

fn index_of(place: &Place, leases: &Leases) -> Index {
    Index::build(Some(place), || Ok::<_, ()>(leases.clone())).unwrap().0.unwrap()
}

/// As a call does it: a lease comes, which is a new entry of the directory, and the index is sealed.
fn lease(temp: &TempDir, place: &Place, mut index: Index, ip: IpAddr, owner: &Owner) {
    fs::write(temp.path().join("net").join(ip.to_string()), "").unwrap();
    index.insert(ip, owner).unwrap();
    place.seal(index).unwrap();
}

/// A directory with a lease of c1, and its index.
fn sealed() -> (TempDir, Place) {
    let temp = TempDir::new().unwrap();
    let place = place(&temp);
    lease(&temp, &place, index_of(&place, &Leases::default()), v4(5), &owner("c1"));
    (temp, place)
}

#[test]
fn what_was_sealed_is_believed() {
    let (_temp, place) = sealed();
    let mut index = place.open().unwrap();
    assert_eq!(index.held_by("c1"), Ok(vec![v4(5)]));
    assert_eq!(index.held_by("c2"), Ok(vec![]));
    assert_eq!(index.first_free(Block { first: v4(5), last: v4(9) }), Ok(Some(v4(6))));
    assert_eq!(index.first_free(Block { first: v4(5), last: v4(5) }), Ok(None));
    place.seal(index).unwrap();
    assert!(place.open().is_some(), "nothing has changed");
}

#[test]
fn entry_that_comes_goes_or_moves_wipes_off_the_mark_at_once() {
    let changes: [fn(PathBuf); 4] = [
        |dir| fs::write(dir.join("10.0.0.6"), "").unwrap(),
        |dir| fs::remove_file(dir.join("10.0.0.5")).unwrap(),
        |dir| fs::rename(dir.join("10.0.0.5"), dir.join("10.0.0.7")).unwrap(),
        |dir| fs::hard_link(dir.join("10.0.0.5"), dir.join("10.0.0.7")).unwrap(),
    ];
    for change in changes {
        // Without a pause: within the tick in which the mark was set.
        for _ in 0..50 {
            let (temp, place) = sealed();
            change(temp.path().join("net"));
            assert!(place.open().is_none());
        }
    }
}

#[test]
fn mark_that_somebody_puts_back_is_not_believed() {
    let (temp, place) = sealed();
    let dir = File::open(temp.path().join("net")).unwrap();
    let mark = dir.metadata().unwrap().modified().unwrap();
    // As tar does it that unpacks an old copy. The tick of the change has passed.
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::remove_file(temp.path().join("net/10.0.0.5")).unwrap();
    dir.set_modified(mark).unwrap();
    assert!(place.open().is_none());
}

#[test]
fn another_boot_or_directory_is_not_believed() {
    let (temp, place) = sealed();
    let dir = temp.path().join("net");
    assert!(Place::of(&dir, "a9b8c7d6-1111-4222-8333-444455556666").unwrap().open().is_none());
    let (other, theirs) = sealed();
    fs::copy(path(&other), path(&temp)).unwrap();
    assert!(place.open().is_none() && theirs.open().is_some());
}

#[test]
fn older_copy_is_not_believed() {
    let (temp, place) = sealed();
    let old = fs::read(path(&temp)).unwrap();
    lease(&temp, &place, place.open().unwrap(), v4(6), &owner("c2"));
    fs::write(path(&temp), old).unwrap();
    assert!(place.open().is_none());
}

#[test]
fn garbage_is_never_an_answer() {
    let (temp, place) = sealed();
    let good = fs::read(path(&temp)).unwrap();
    let file = File::options().write(true).open(path(&temp)).unwrap();
    for at in (0..good.len()).step_by(7) {
        file.write_all_at(&[good[at] ^ 0x10], at as u64).unwrap();
        let answer = place.open().map(|mut index| (index.held_by("c1"), index.held_by("c2")));
        // The number of leases alone is not vouched for: it says only when the file may go.
        let believed = answer.is_some_and(|answer| answer != (Err(Corrupt), Err(Corrupt)));
        let told = good[..PAGE].windows(7).position(|text| text == b"leases ").unwrap() + 7;
        assert!(!believed || at == told, "{at}");
        file.write_all_at(&good[at..=at], at as u64).unwrap();
    }
    for length in [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE - 1, 2 * PAGE + 1, 3 * PAGE, 5 * PAGE] {
        file.set_len(length as u64).unwrap();
        assert!(place.open().is_none(), "{length}");
        fs::write(path(&temp), &good).unwrap();
    }
    assert!(place.open().is_some());
}

#[test]
fn page_of_another_index_is_garbage() {
    let (temp, place) = sealed();
    let (other, _) = sealed();
    let (mut own, theirs) = (fs::read(path(&temp)).unwrap(), fs::read(path(&other)).unwrap());
    own[PAGE..].copy_from_slice(&theirs[PAGE..]);
    fs::write(path(&temp), own).unwrap();
    assert_eq!(place.open().unwrap().held_by("c1"), Err(Corrupt));
}

#[test]
fn network_without_leases_has_no_index() {
    let (temp, place) = sealed();
    let mut index = place.open().unwrap();
    fs::remove_file(temp.path().join("net/10.0.0.5")).unwrap();
    index.remove(v4(5), &owner("c1")).unwrap();
    place.seal(index).unwrap();
    assert!(!path(&temp).exists());
    place.seal(index_of(&place, &Leases::default())).unwrap();
    assert!(!path(&temp).exists());
}

#[test]
fn directory_that_cannot_have_an_index_does_without() {
    let (temp, place) = sealed();
    fs::remove_file(path(&temp)).unwrap();
    fs::create_dir(path(&temp)).unwrap();
    assert!(place.open().is_none());
    let leases: Leases = [(v4(5), owner("c1"))].into_iter().collect();
    assert!(place.seal(index_of(&place, &leases)).is_err());
}

#[test]
fn too_many_leases_of_one_container_are_known_but_not_kept() {
    let (temp, place) = sealed();
    let leases: Leases = (0..200).map(|n| (v4(n), Owner::Nobody)).collect();
    let mut index = index_of(&place, &leases);
    assert_eq!(index.held_by("").unwrap().len(), 200);
    place.seal(index).unwrap();
    assert!(place.open().is_none());
    assert!(fs::metadata(path(&temp)).unwrap().len() < 100_000);
}

#[test]
fn tables_grow_with_their_leases_and_keep_them() {
    let (temp, place) = sealed();
    for round in 0..20 {
        let mut index = place.open().unwrap();
        for n in 0..300 {
            index.insert(v4(6 + round * 300 + n), &owner(&format!("r{round}-{n}"))).unwrap();
        }
        place.seal(index).unwrap();
    }
    let mut index = place.open().unwrap();
    for n in 0..6000 {
        assert_eq!(index.held_by(&format!("r{}-{}", n / 300, n % 300)), Ok(vec![v4(6 + n)]), "{n}");
    }
    assert_eq!(index.first_free(Block { first: v4(5), last: v4(9000) }), Ok(Some(v4(6006))));
    assert!(fs::metadata(path(&temp)).unwrap().len() < 6000 * 100);
}

#[test]
fn leases_far_apart_take_little_space() {
    let (temp, place) = sealed();
    let mut index = place.open().unwrap();
    for n in 0..1000u128 {
        let ip = Ipv6Addr::from_bits((0xfd00 << 112) + (n << 50)).into();
        index.insert(ip, &owner(&format!("c{n}"))).unwrap();
    }
    place.seal(index).unwrap();
    assert!(fs::metadata(path(&temp)).unwrap().len() < 300_000);
}

#[test]
fn full_blocks_are_passed_in_a_few_steps() {
    let leases: Leases = (0..0x1_0000).map(|n| (v4(n), Owner::Stranger)).collect();
    let (temp, place) = sealed();
    place.seal(index_of(&place, &leases)).unwrap();
    let mut index = place.open().unwrap();
    assert_eq!(index.first_free(Block { first: v4(3), last: v4(0x2_0000) }), Ok(Some(v4(0x1_0000))));
    assert_eq!(index.first_free(Block { first: v4(3), last: v4(0xffff) }), Ok(None));
    index.remove(v4(0xfff0), &Owner::Stranger).unwrap();
    assert_eq!(index.first_free(Block { first: v4(3), last: v4(0xffff) }), Ok(Some(v4(0xfff0))));
    drop(temp);
}

#[test]
fn ends_of_the_families_are_ends() {
    let last = IpAddr::from(Ipv6Addr::from_bits(u128::MAX));
    let near = IpAddr::from(Ipv6Addr::from_bits(u128::MAX - 1));
    let leases: Leases = [(last, owner("c1")), (IpAddr::from([255; 4]), owner("c2"))].into_iter().collect();
    let mut index = Index::of_leases(&leases, None, 0).unwrap();
    assert_eq!(index.first_free(Block { first: near, last }), Ok(Some(near)));
    assert_eq!(index.first_free(Block { first: last, last }), Ok(None));
    assert_eq!(index.first_free(Block { first: [255; 4].into(), last: [255; 4].into() }), Ok(None));
    assert_eq!(index.held_by("c2"), Ok(vec![IpAddr::from([255; 4])]));
}

/// Addresses that fill words, and some that do not.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        6 => (0u32..150).prop_map(v4),
        2 => (4000u32..4200).prop_map(v4),
        1 => (0u128..200).prop_map(|n| Ipv6Addr::from_bits((0xfd00 << 112) + n).into()),
        1 => any::<u128>().prop_map(|n| Ipv6Addr::from_bits((0xfd00 << 112) | n).into()),
    ]
}

fn anybody() -> impl Strategy<Value = Owner> {
    prop_oneof![
        6 => select(&["a", "b", "c", "d"][..]).prop_map(owner),
        1 => Just(Owner::Container("a".into())),
        1 => Just(Owner::Nobody),
        1 => Just(Owner::Stranger),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// The index says what the list of all leases says, whatever comes and goes, and however often it is read anew.
    #[test]
    fn index_answers_as_the_leases_themselves(
        crowd in 0u32..5000,
        steps in vec((address(), anybody(), any::<bool>()), 1..80),
    ) {
        let (_temp, place) = sealed();
        // Of a stranger: the records of one owner alone would not fit into a page.
        let mut leases: Leases = (200..200 + crowd).map(|n| (v4(n), Owner::Stranger)).collect();
        let mut index = index_of(&place, &leases);
        for (ip, owner, reads_anew) in steps {
            let all: Vec<(IpAddr, Owner)> = leases.iter().map(|(ip, owner)| (ip, owner.clone())).collect();
            if let Some((_, was)) = all.iter().find(|(other, _)| *other == ip) {
                index.remove(ip, was).unwrap();
                leases = all.into_iter().filter(|(other, _)| *other != ip).collect();
            } else {
                index.insert(ip, &owner).unwrap();
                leases = all.into_iter().chain([(ip, owner.clone())]).collect();
            }
            if reads_anew && leases.iter().count() > 0 {
                place.seal(index).unwrap();
                index = place.open().unwrap();
            }
            for id in ["a", "b", ""] {
                let mut held = index.held_by(id).unwrap();
                held.sort();
                let expected: Vec<IpAddr> = leases.held_by(id).unwrap().iter().map(|(ip, _)| ip).collect();
                prop_assert_eq!(held, expected);
            }
            let block = Block { first: ip, last: crate::block::next(ip).unwrap_or(ip) };
            prop_assert_eq!(index.first_free(block).unwrap(), leases.first_free(block).unwrap());
            let block = Block { first: v4(0), last: v4(6000) };
            prop_assert_eq!(index.first_free(block).unwrap(), leases.first_free(block).unwrap());
        }
    }
}
