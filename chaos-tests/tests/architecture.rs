//! The project keeps its shape: arrows between packages, third parties behind one door, short and finished files.
#![cfg(test)]

use chaos_tests::architecture::packages::{forbidden_arrows, foreign_doors, foreign_folders, metadata, top_folders};
use chaos_tests::architecture::sources::{self, Rule, Source};
use chaos_tests::architecture::{project as top, requirements};
use serde_json::{Value, json};

fn none(broken: &[String]) {
    assert!(
        broken.is_empty(),
        "{} rules are broken:\n  {}",
        broken.len(),
        broken.join("\n  ")
    );
}

#[test]
fn packages_depend_only_along_the_arrows() {
    none(&forbidden_arrows(&metadata().unwrap()));
}

#[test]
fn third_parties_stay_behind_their_doors() {
    none(&foreign_doors(&metadata().unwrap()));
}

#[test]
fn there_is_no_seventh_folder() {
    none(&foreign_folders(&top_folders().unwrap()));
}

/// Every build of programs that `infra/dev` starts as a cluster, asked of cargo itself.
#[test]
fn no_build_that_people_run_has_known_bugs() {
    let door = std::fs::read_to_string(chaos_tests::architecture::project().join("infra/dev")).unwrap();
    let builds: Vec<&str> = door
        .lines()
        .filter(|line| line.contains("cargo build") && line.contains("-p node"))
        .collect();
    assert!(builds.len() >= 2, "the builds of infra/dev up are found: {builds:?}");
    for build in builds {
        let packages = packages_of(build);
        let known = tree(&[&packages[..], &["--features", "node/mutations"]].concat());
        assert!(
            known.contains("mutations v"),
            "the check sees the package where it is: {known}"
        );
        let built = tree(&packages);
        assert!(
            built.contains("raft-store v") && !built.contains("mutations v"),
            "{build}: {built}"
        );
        assert!(!build.contains("--features"), "{build}");
    }
}

fn packages_of(build: &str) -> Vec<&str> {
    let words: Vec<&str> = build.split_whitespace().collect();
    let pairs = words.windows(2).filter(|pair| pair[0] == "-p");
    pairs.flat_map(|pair| pair.to_vec()).collect()
}

fn tree(arguments: &[&str]) -> String {
    let output = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        // Another way to unite features would show what `infra/dev` does not build.
        .env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION")
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ])
        .args(arguments)
        .current_dir(chaos_tests::architecture::project())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn sources_keep_the_rules() {
    let sources = sources::all().unwrap();
    assert!(sources.len() > 50, "the project's files are found");
    none(&sources::broken(&sources));
}

#[test]
fn every_requirement_has_its_tests_in_the_table() {
    let page = std::fs::read_to_string(top().join("SECURITY.md")).unwrap();
    none(&requirements::broken(&page, &sources::all().unwrap()));
}

#[test]
fn every_bad_input_has_its_tests_in_the_table() {
    const BEGIN: &str = "<!-- bad input -->";
    let page = std::fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    let (rows, unknown) = requirements::unknown_tests(&page, BEGIN, &sources::all().unwrap());
    none(&unknown);
    assert_eq!(rows, 11, "rows of bad input");
    let source = Source {
        path: "node/src/a.rs".into(),
        text: "#[test]\nfn there() {}".into(),
    };
    let table =
        |cell: &str| format!("{BEGIN}\n| what | words | shown by |\n|---|---|---|\n| a | b | {cell} |\n<!-- end -->");
    for (cell, wrong) in [("`there`", 0), ("`there`, `gone`", 1), ("", 1)] {
        let found = requirements::unknown_tests(&table(cell), BEGIN, std::slice::from_ref(&source));
        assert_eq!((found.0, found.1.len()), (1, wrong), "{cell}");
    }
}

#[test]
fn the_rule_about_requirements_bites() {
    let source = |text: &str| Source {
        path: "node/src/a.rs".into(),
        text: text.to_owned(),
    };
    let sources = [source(
        "#[test]\nfn pw_1_holds() {}\n#[tokio::test]\nasync fn pw_10_holds() {}\nfn pw_2_helps() {}",
    )];
    let found = |rows: &[(&str, &str)]| {
        let mut page = "<!-- requirements -->\n| id | what | tests |\n|---|---|---|\n".to_owned();
        let told = |id: &str| {
            rows.iter()
                .find(|row| row.0 == id)
                .map_or("not yet: later", |row| row.1)
                .to_owned()
        };
        for id in requirements::ids() {
            page += &format!("| {id} | x | {} |\n", told(&id));
        }
        requirements::broken(&(page + "<!-- end -->"), &sources)
    };
    none(&found(&[("PW-1", "`pw_1_holds`"), ("PW-10", "`pw_10_holds`")]));
    for wrong in ["", "`pw_1_is_missing`", "`pw_2_helps`", "`pw_10_holds`"] {
        assert_eq!(found(&[("PW-1", wrong)]).len(), 1, "{wrong}");
    }
    assert_eq!(requirements::broken("", &sources).len(), requirements::ids().len());
}

fn project(package: &str, dependencies: &[&str]) -> Value {
    let of = |name: &str, dependencies: &[&str]| {
        let dependencies: Vec<Value> = dependencies.iter().map(|d| json!({"name": d})).collect();
        json!({"name": name, "dependencies": dependencies})
    };
    json!({"packages": [of(package, dependencies), of("auth-core", &[]), of("raft-store", &[])]})
}

#[test]
fn a_forbidden_arrow_is_named() {
    none(&forbidden_arrows(&project(
        "node",
        &["auth-core", "raft-store", "tokio"],
    )));
    let broken = forbidden_arrows(&project("lb", &["auth-core"]));
    assert_eq!(
        broken,
        ["lb depends on auth-core: it may depend on auth-api, mutations"]
    );
    assert!(forbidden_arrows(&project("seventh", &[]))[0].contains("do not know"));
}

#[test]
fn a_third_party_outside_of_its_door_is_named() {
    none(&foreign_doors(&project("raft-store", &["sled", "openraft"])));
    none(&foreign_doors(&project("lb", &["pingora", "tokio"])));
    assert!(foreign_doors(&project("node", &["sled"]))[0].contains("stays behind raft-store"));
    assert!(foreign_doors(&project("node", &["pingora-core"]))[0].contains("stays behind lb"));
    assert!(foreign_doors(&project("auth-core", &["tokio"]))[0].contains("no I/O"));
}

#[test]
fn a_seventh_folder_is_named() {
    let names = ["lb", ".git", "target", "utils"].map(str::to_owned);
    let broken = foreign_folders(&names);
    assert_eq!(broken.len(), 1);
    assert!(broken[0].starts_with("utils/"), "{broken:?}");
}

/// The rule accepts the first file and refuses the second.
fn bites(rule: Rule, good: (&str, &str), bad: (&str, &str)) {
    let source = |(path, text): (&str, &str)| Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    assert_eq!(rule(&source(good)), None);
    assert!(rule(&source(bad)).is_some(), "{bad:?}");
}

#[test]
fn the_clock_rule_bites() {
    let rule = sources::clock_of_node;
    bites(
        rule,
        ("node/src/clock.rs", "SystemTime::now()"),
        ("node/src/service/a.rs", "let t = SystemTime::now();"),
    );
    bites(
        rule,
        ("lb/src/pool.rs", "Instant::now()"),
        ("node/src/http/mod.rs", "let t = Instant::now();"),
    );
    let tokios = "use tokio::time::Instant;\nInstant::now();";
    bites(
        rule,
        ("node/src/a.rs", tokios),
        ("node/src/a.rs", "use std::time::Instant;\nInstant::now();"),
    );
}

#[test]
fn the_core_rule_bites() {
    let rule = sources::core_is_pure;
    bites(
        rule,
        ("node/src/a.rs", "use tokio::fs;"),
        ("node/core/src/a.rs", "use tokio::fs;"),
    );
    bites(
        rule,
        ("node/core/src/a.rs", "// std::time::Instant"),
        ("node/core/src/a.rs", "use std::time::Instant;"),
    );
}

/// A line that names a crate; put together, so that this file keeps the rules itself.
fn using(third: &str) -> String {
    format!("use {third}::thing;")
}

#[test]
fn the_door_rule_bites() {
    let (sled, lettre) = (using("sled"), using("lettre"));
    bites(sources::doors, ("raft-store/src/a.rs", &sled), ("node/src/a.rs", &sled));
    bites(
        sources::doors,
        ("node/src/email/smtp.rs", &lettre),
        ("node/src/service/a.rs", &lettre),
    );
}

#[test]
fn the_danger_rule_bites() {
    for call in [
        "raft_store::dangerously_allow_flush_without_fsync();",
        "raft_store::dangerously_leave_log_unsynced();",
    ] {
        bites(
            sources::dangers,
            ("chaos-tests/src/member/body.rs", call),
            ("node/src/main.rs", call),
        );
    }
}

#[test]
fn the_randomness_rule_bites() {
    let rand = using("rand");
    bites(
        sources::randomness,
        ("lb/src/entropy.rs", &rand),
        ("lb/src/pool.rs", &rand),
    );
    bites(
        sources::randomness,
        ("lb/src/a.rs", "operand::x"),
        ("lb/src/a.rs", concat!("let x = ra", "nd::random();")),
    );
}

#[test]
fn the_length_rule_bites() {
    let (short, long) = ("x\n".repeat(400), "x\n".repeat(401));
    bites(sources::length, ("lb/src/a.rs", &short), ("lb/src/a.rs", &long));
}

#[test]
fn the_opening_rule_bites() {
    bites(
        sources::opening,
        ("lb/src/a.rs", "//! Why.\nuse x;"),
        ("lb/src/a.rs", "use x;\n//! Late."),
    );
}

#[test]
fn the_rule_about_unfinished_work_bites() {
    for word in [
        concat!("// TO", "DO later"),
        concat!("to", "do!()"),
        concat!("unimplemen", "ted!()"),
        concat!("// FIX", "ME"),
    ] {
        bites(sources::unfinished, ("lb/src/a.rs", "// done"), ("lb/src/a.rs", word));
    }
}

#[test]
fn the_rule_about_switched_off_tests_bites() {
    bites(
        sources::ignored_tests,
        ("lb/src/a.rs", "#[test]"),
        ("lb/src/a.rs", concat!("#[ign", "ore = \"slow\"]")),
    );
}
