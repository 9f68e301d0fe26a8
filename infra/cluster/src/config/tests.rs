//! What the files say, read as their parsers read them.

use super::*;
use crate::settings::Wish;
use toml::Table;

fn written(mail: &Mail) -> (tempfile::TempDir, Layout) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path()).unwrap();
    let wish = Wish {
        base_port: Some(20_000),
        ..Wish::default()
    };
    let around = Surroundings::from(mail.clone());
    write_all(&layout, &Settings::fresh(wish).unwrap(), &around).unwrap();
    write_key_ring(&layout).unwrap();
    (dir, layout)
}

fn table(layout: &Layout, name: &str) -> Table {
    std::fs::read_to_string(layout.config(name)).unwrap().parse().unwrap()
}

#[test]
fn one_node_forms_the_cluster_and_all_agree_on_its_members() {
    let (_dir, layout) = written(&Mail::Folder);
    let nodes: Vec<Table> = ["node-1", "node-2", "node-3"]
        .iter()
        .map(|n| table(&layout, n))
        .collect();
    let forming: Vec<bool> = nodes
        .iter()
        .map(|n| n["cluster"]["initialize"].as_bool().unwrap())
        .collect();
    assert_eq!(forming, [true, false, false]);
    for node in &nodes {
        assert_eq!(node["cluster"]["id"], nodes[0]["cluster"]["id"]);
        assert_eq!(node["cluster"]["members"], nodes[0]["cluster"]["members"]);
    }
    assert_eq!(
        nodes[1]["peer"]["listen"],
        nodes[0]["cluster"]["members"][1]["peer_address"]
    );
    assert_eq!(
        nodes[0]["http"]["public_origins"][0].as_str(),
        Some("https://localhost:20000")
    );
    assert!(nodes[0]["mail"].get("smtp").is_none());
}

#[test]
fn a_load_balancer_knows_every_node() {
    let (_dir, layout) = written(&Mail::Folder);
    let lb = table(&layout, "lb-2");
    assert_eq!(lb["front"]["listen"][0].as_str(), Some("127.0.0.1:20001"));
    let addresses: Vec<&str> = lb["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n["address"].as_str().unwrap())
        .collect();
    assert_eq!(addresses, ["127.0.0.1:20020", "127.0.0.1:20021", "127.0.0.1:20022"]);
}

#[test]
fn mail_goes_to_one_transport_and_the_key_is_32_bytes() {
    let (_dir, layout) = written(&Mail::Smtp("127.0.0.1:2525".to_owned()));
    let node = table(&layout, "node-1");
    assert_eq!(node["mail"]["smtp"].as_str(), Some("127.0.0.1:2525"));
    assert!(node["mail"].get("folder").is_none());
    let ring: Table = std::fs::read_to_string(layout.key_ring()).unwrap().parse().unwrap();
    let secret = ring["keys"][0]["secret"].as_str().unwrap();
    assert_eq!(
        base64::engine::general_purpose::STANDARD.decode(secret).unwrap().len(),
        32
    );
}

#[test]
fn a_route_replaces_an_address_for_one_member_only() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path()).unwrap();
    let wish = Wish {
        base_port: Some(20_000),
        ..Wish::default()
    };
    let mut around = Surroundings::default();
    around.wiring.lead("node-1", "node-2", 9_001);
    around.wiring.lead("lb-1", "node-2", 9_002);
    around.wiring.advertise("node-2", 9_003);
    write_all(&layout, &Settings::fresh(wish).unwrap(), &around).unwrap();
    let of = |name: &str| table(&layout, name);
    let second = |name: &str| {
        of(name)["cluster"]["members"][1]["peer_address"]
            .as_str()
            .map(str::to_owned)
    };
    assert_eq!(second("node-1").as_deref(), Some("127.0.0.1:9001"));
    assert_eq!(second("node-3").as_deref(), Some("127.0.0.1:20031"));
    assert_eq!(of("node-2")["peer"]["advertise"].as_str(), Some("127.0.0.1:9003"));
    assert!(of("node-1")["peer"].get("advertise").is_none());
    assert_eq!(of("lb-1")["nodes"][1]["address"].as_str(), Some("127.0.0.1:9002"));
    assert_eq!(of("lb-2")["nodes"][1]["address"].as_str(), Some("127.0.0.1:20021"));
}
