//! Without a backend in the configuration it is the one that lets the traffic through.

use serde_json::json;

use crate::stage::{By, Stage, gets_out, stays_in};

#[test]
fn host_without_other_firewalls_gets_elements_and_no_process_is_started() {
    let stage = Stage::new(By::Nftables);
    let pod = stage.bridged("c1", &stage.network(1, json!({ "backend": "" })));
    for command in ["ADD", "CHECK", "DEL"] {
        // The first is strace's own.
        let refuse = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=execve:error=EPERM:when=2+"];
        let output = stage.on(pod.firewall().call(command)).under(refuse).run();
        assert!(output.status.success(), "{output}");
    }
    pod.add(&stage).success();
    assert_eq!(stage.elements("firewall_addresses").len(), 2);
    assert!(!stage.sandbox.sh("nft list tables").contains("filter"));
}

#[test]
fn host_with_a_forward_chain_of_iptables_gets_rules_there() {
    Stage::each(&By::IPTABLES, |stage| {
        stage.drop_forwarded();
        let pod = stage.bridged("c1", &stage.network(1, json!({ "backend": null })));
        stays_in(&pod.netns, &stage.outside);
        pod.add(stage).success();
        gets_out(&pod.netns, &stage.outside);
        assert!(stage.elements("firewall").is_empty());
        pod.check(stage).silent();
        pod.del(stage);
        stays_in(&pod.netns, &stage.outside);
    });
}

#[test]
fn families_are_decided_one_by_one() {
    let stage = Stage::new(By::IptablesNft);
    stage.iptables("iptables -P FORWARD DROP");
    let pod = stage.run("c1", &stage.network(1, json!({ "backend": "", "ingressPolicy": "same-bridge" })));
    gets_out(&pod.netns, &stage.outside);
    assert_eq!((stage.elements("firewall_addresses4").len(), stage.elements("firewall_addresses6").len()), (0, 1));
    assert!(!stage.sandbox.sh("nft list tables").contains("ip6 filter"));
    pod.check(&stage).silent();
    pod.del(&stage);
    assert!(stage.elements("").is_empty());
}

#[test]
fn check_notices_that_somebody_has_begun_to_drop_and_del_finds_what_add_has_made() {
    let stage = Stage::new(By::IptablesNft);
    let pod = stage.run("c1", &stage.network(1, json!({ "backend": "" })));
    pod.check(&stage).silent();
    // As when Docker is started.
    stage.drop_forwarded();
    pod.check(&stage).failure_code(103);
    pod.del(&stage);
    assert!(stage.elements("").is_empty());
}
