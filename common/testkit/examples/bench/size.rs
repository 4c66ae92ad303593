//! What the plugins take on the disk: those that all contenders have.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::{
    series::{Series, Topic, Unit},
    setup::Setup,
};

/// The topic.
static SIZE: Topic =
    Topic { name: "size", title: "size on disk, of the plugins that all of these have", parameter: None, charted: &[] };

/// What the plugins together are called.
pub const SUM: &str = "sum";

/// Looks at all contenders.
pub fn measure(setup: &Setup) -> Vec<Series> {
    let sets: Vec<BTreeMap<String, u64>> = setup.contenders.iter().map(|one| files(&one.dir)).collect();
    let series = setup.contenders.iter().zip(common(sets)).flat_map(|(contender, files)| {
        let sum = files.values().sum();
        files.into_iter().chain([(SUM.to_owned(), sum)]).map(|(name, bytes)| {
            let mut series = Series::new(&SIZE, &contender.name, &name).of(Unit::Bytes);
            series.push(0, f64::from(u32::try_from(bytes).expect("plugins of less than 4 GB")));
            series
        })
    });
    series.collect()
}

/// Only what all of them have.
fn common(sets: Vec<BTreeMap<String, u64>>) -> Vec<BTreeMap<String, u64>> {
    let in_all = |name: &&String| sets.iter().all(|set| set.contains_key(*name));
    let names: BTreeSet<String> = sets.iter().flat_map(BTreeMap::keys).filter(in_all).cloned().collect();
    let keep = |set: BTreeMap<String, u64>| set.into_iter().filter(|(name, _)| names.contains(name)).collect();
    sets.into_iter().map(keep).collect()
}

fn files(dir: &Path) -> BTreeMap<String, u64> {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("read {}: {e}", dir.display())).flatten();
    let file = |entry: fs::DirEntry| {
        let found = fs::metadata(entry.path()).ok().filter(fs::Metadata::is_file)?;
        Some((entry.file_name().into_string().ok()?, found.len()))
    };
    entries.filter_map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_all_have_is_compared() {
        let set = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 1)).collect::<BTreeMap<_, _>>();
        let kept = common(vec![set(&["bridge", "cnitool", "portmap"]), set(&["bandwidth", "bridge", "portmap"])]);
        assert_eq!(kept, [set(&["bridge", "portmap"]), set(&["bridge", "portmap"])]);
    }
}
