//! What the suite says about itself.

use crate::plugins::conformance;

#[test]
fn at_least_200_cases_are_listed() {
    let ran = conformance(&["list"]);
    let count: usize = ran.stdout.lines().last().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(count >= 200, "{count}");
    assert!(ran.stdout.contains("\ndel::twice") && ran.stdout.contains("\nv0_4_0::"), "{}", ran.stdout);
}

#[test]
fn every_listed_case_can_be_explained() {
    let list = conformance(&["list"]).stdout;
    for line in list.lines().filter(|line| line.contains("::")).step_by(17) {
        let id = line.split(' ').next().unwrap();
        let ran = conformance(&["explain", id]);
        assert_eq!(ran.status, 0, "{id}");
        assert!(ran.stdout.starts_with(id) && ran.stdout.contains("requirement "), "{}", ran.stdout);
    }
}

#[test]
fn what_has_no_case_is_listed_with_its_reason() {
    let ran = conformance(&["list", "--uncovered"]);
    let requirements = ran.stdout.lines().filter(|line| line.contains(", for ")).count();
    assert!(requirements > 0);
    assert_eq!(ran.stdout.matches("not tested: ").count(), requirements, "{}", ran.stdout);
}

#[test]
fn a_case_that_there_is_not_is_named() {
    let ran = conformance(&["explain", "no::such"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("\"no::such\""), "{}", ran.stderr);
}
