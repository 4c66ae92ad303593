//! Junk as `prevResult`.

use proptest::{prelude::*, sample::select};
use serde_json::Value;

use crate::{
    cases::judge_each,
    document::Document,
    mutation,
    stage::Stage,
    stdin,
    subjects::{Maker, result},
    values,
};

const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// A result of one version, most often in a configuration of the same.
fn configured(conf: &Value) -> impl Strategy<Value = (Value, Document)> {
    let conf = conf.clone();
    let of_version = move |(own, configured): (&str, &str)| {
        let mut conf = conf.clone();
        conf["cniVersion"] = configured.into();
        conf["prevResult"] = Value::Null;
        (conf, Document::from(&result(own)))
    };
    let version = || select(&VERSIONS[..]);
    prop_oneof![3 => version().prop_map(|version| (version, version)), 1 => (version(), version())].prop_map(of_version)
}

/// What makes a result odd as a whole.
fn junk(result: Document) -> BoxedStrategy<Vec<u8>> {
    let plain = result.text();
    prop_oneof![
        12 => mutation::mutated(result).prop_map(|result| result.text()),
        1 => values::value(),
        1 => Just(plain),
    ]
    .boxed()
}

pub fn fuzz(make: Maker) {
    let stage = Stage::new(make);
    let configured = configured(stage.proper.conf());
    let stdin = configured.prop_flat_map(|(conf, result)| {
        junk(result).prop_map(move |result| {
            let mut conf = Document::from(&conf);
            if let Document::Map(entries) = &mut conf {
                entries.retain(|(key, _)| key != b"\"prevResult\"");
                entries.push((values::quoted("prevResult"), Document::Leaf(result)));
            }
            conf.text()
        })
    });
    let cases =
        (stdin::command(), stdin, any::<u8>()).prop_map(|(command, stdin, seldom)| stdin::case(command, stdin, seldom));
    judge_each(&stage, &cases, |case| stage.judge(&case));
}
