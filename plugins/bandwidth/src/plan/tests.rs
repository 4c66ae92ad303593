use cni::Code;
use serde_json::{Value, json};

use super::*;

/// The kernel's.
const TICK: u64 = 64;

fn plan(document: &Value) -> Result<Plan> {
    Plan::new(&cni::json::decode(document).unwrap())
}

/// The limit of a rate and a burst in bits.
fn limit(rate: u64, burst: u64) -> Limit {
    plan(&json!({"ingressRate": rate, "ingressBurst": burst})).unwrap().ingress.unwrap()
}

#[test]
fn directions_are_limited_one_by_one() {
    let ingress = json!({"ingressRate": 16000, "ingressBurst": 80000});
    let expected = Limit { rate: 2000, burst: 10000 };
    assert_eq!(plan(&ingress), Ok(Plan { ingress: Some(expected), egress: None }));
    let egress = json!({"ingressRate": 0, "egressRate": 16000, "egressBurst": 80000, "ingressBurst": 0});
    assert_eq!(plan(&egress), Ok(Plan { ingress: None, egress: Some(expected) }));
    let capability = json!({"runtimeConfig": {"bandwidth": {"EgressRate": 16000, "EgressBurst": 80000}}});
    assert_eq!(plan(&capability), plan(&egress));
    for nothing in [json!({}), json!({"ingressRate": 0}), json!({"runtimeConfig": {"bandwidth": {"EgressRate": 0}}})] {
        assert!(plan(&nothing).unwrap().is_empty(), "{nothing}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_key_and_value() {
    for (document, words) in [
        (json!({"ingressRate": 1000}), ["\"ingressRate\" 1000: ", "burst must also be set (\"ingressBurst\")"]),
        (json!({"egressBurst": 8, "egressRate": 0}), ["\"egressBurst\" 8: ", "rate must also be set (\"egressRate\")"]),
        (json!({"egressRate": 7, "egressBurst": 8}), ["\"egressRate\" 7: ", "8 bits per second or more"]),
        (
            json!({"runtimeConfig": {"bandwidth": {"ingressRate": 8, "ingressBurst": 34_359_738_360_u64}}}),
            ["\"runtimeConfig.bandwidth.ingressBurst\" 34359738360: ", "must be 34359738359 bits or less"],
        ),
        (json!({"egressRate": 8, "egressBurst": u64::MAX}), ["\"egressBurst\" 18446744073709551615: ", "4GB"]),
    ] {
        let error = plan(&document).unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig);
        assert!(words.iter().all(|word| error.msg.contains(word)), "{document}: {error}");
    }
}

/// kubelet sends 2^31-1, containerd 2^32-1, CRI-O the most that is allowed.
#[test]
fn bursts_that_clients_send_come_out_whole() {
    for (burst, bytes) in [(2_147_483_647, 268_435_455), (4_294_967_295, 536_870_911), (34_359_738_359, 4_294_967_294)]
    {
        // 64 kbit/s takes more ticks than 32 bits hold.
        let tbf = limit(64_000, burst).tbf(1500, TICK);
        assert_eq!(tbf.bucket, Bucket::Bytes(bytes));
        assert_eq!(tbf.limit, u32::saturating_add(bytes, 200));
    }
}

#[test]
fn rates_of_64_bits_come_out_whole_and_what_waits_is_as_much_as_can_be() {
    let tbf = limit(u64::MAX, 80_000).tbf(1500, TICK);
    assert_eq!((tbf.rate, tbf.limit, tbf.bucket), (u64::MAX / 8, u32::MAX, Bucket::Bytes(10_000)));
    let tbf = limit(100_000_000_000, 80_000).tbf(1500, TICK);
    assert_eq!((tbf.rate, tbf.limit), (12_500_000_000, 312_510_000));
}

/// Numbers that its CHECK computed: 20 Mbit/s and 1.6 Mbit are 80 ms.
#[test]
fn buckets_are_the_references_where_they_can_be() {
    let tbf = limit(20_000_000, 1_600_000).tbf(1500, TICK);
    assert_eq!(tbf, Tbf { rate: 2_500_000, bucket: Bucket::Ticks(1_250_000), limit: 262_500 });
    // 1.5 ms and a bit.
    assert_eq!(limit(1_000_000_000, 1_500_100).tbf(1500, TICK).bucket, Bucket::Ticks(1500 * 1000 / 64));
}

#[test]
fn a_burst_is_one_packet_at_least() {
    for burst in [8, 456, 1514 * 8] {
        assert_eq!(limit(123_000, burst).tbf(1500, TICK).bucket, Bucket::Bytes(1514), "{burst}");
    }
    assert_eq!(limit(123_000, 12_000).tbf(65_535, TICK).bucket, Bucket::Bytes(65_549));
    // 80 microseconds, of which the reference's form loses up to one, and with it the last packet.
    assert_eq!(limit(10_000_000_000, 800_000).tbf(1500, TICK).bucket, Bucket::Bytes(100_000));
}

#[test]
fn what_the_kernel_tells_of_a_limit_is_recognised() {
    for (rate, burst) in [
        (8, 8),
        (64_000, 34_359_738_359),
        (123_000, 456),
        (10_000_000, 4_294_967_295),
        (20_000_000, 1_600_000),
        (40_000_000_000, 34_359_738_359),
        (u64::MAX, 34_359_738_359),
        (u64::MAX, 8),
    ] {
        let limit = limit(rate, burst);
        let tbf = limit.tbf(1500, TICK);
        let ticks = match tbf.bucket {
            Bucket::Ticks(ticks) => u64::from(ticks),
            Bucket::Bytes(bytes) => u64::from(bytes) * 1_000_000_000 / limit.rate / TICK,
        };
        let found = Tbf { bucket: Bucket::Ticks((ticks & u64::from(u32::MAX)).try_into().unwrap()), ..tbf };
        assert_eq!(limit.difference(&found, 1500, TICK), None, "{rate} {burst}");
    }
}

#[test]
fn other_limits_are_told() {
    let limit = limit(20_000_000, 1_600_000);
    let found = Tbf { rate: 2_500_000, bucket: Bucket::Ticks(1_250_000), limit: 262_500 };
    assert_eq!(limit.difference(&found, 1500, TICK), None);
    let difference = |found: Tbf| limit.difference(&found, 1500, TICK).unwrap();
    assert_eq!(difference(Tbf { rate: 1, ..found }), "the rate is 1, not 2500000 bytes per second");
    assert_eq!(difference(Tbf { limit: 200_000, ..found }), "200000 bytes may wait, not 262500");
    for ticks in [0, 1_249_900, 1_250_100, u32::MAX] {
        let told = difference(Tbf { bucket: Bucket::Ticks(ticks), ..found });
        assert!(told.starts_with("the burst is not 200000 bytes"), "{told}");
    }
}
