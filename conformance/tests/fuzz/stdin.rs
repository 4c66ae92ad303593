//! Junk on standard input.

use proptest::{prelude::*, sample::select};

use crate::{
    cases::judge_each,
    document::Document,
    mutation,
    stage::{Case, Stage},
    subjects::Maker,
    values::Bytes,
};

/// Commands, and what is none.
pub fn command() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => Just("ADD".to_owned()),
        10 => select(&["CHECK", "DEL", "DEL", "GC", "STATUS"][..]).prop_map(str::to_owned),
        1 => select(&["VERSION", "add", "ADD ", "UPDATE", "\u{1f600}", "A\nB"][..]).prop_map(str::to_owned),
    ]
}

/// A case with this input, attached and watched now and then.
pub fn case(command: String, stdin: Vec<u8>, seldom: u8) -> Case {
    let attached = !["ADD", "VERSION"].contains(&command.as_str()) && seldom.is_multiple_of(2);
    Case { command, stdin: Bytes(stdin), vars: Vec::new(), attached, watched: seldom.is_multiple_of(16) }
}

pub fn fuzz(make: Maker) {
    let stage = Stage::new(make);
    let input = mutation::input(Document::from(stage.proper.conf()));
    let cases = (command(), input, any::<u8>()).prop_map(|(command, stdin, seldom)| case(command, stdin, seldom));
    judge_each(&stage, &cases, |case| stage.judge(&case));
}
