//! GC: nothing of a tap outlives its container but the lease, which is the delegate's.

use serde_json::json;

use crate::stage::{host, network};

#[test]
fn leases_of_attachments_that_are_not_valid_go_and_taps_that_are_there_stay() {
    let Some(lan) = host() else { return };
    let conf = network(&lan, json!({}));
    let (_kept, attached) = lan.attach(&conf, "kept");
    let before = lan.snapshot();
    let (gone, lost) = lan.attach(&conf, "gone");
    gone.remove();
    lost.attachment.gc(&[("kept", "eth0")]).silent();
    testkit::assert_same(&before, &lan.snapshot());
    attached.check().silent();
}
