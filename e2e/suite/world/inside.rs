//! What a container shows of itself.

/// What a container shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    pub uid: i64,
    pub gid: i64,
    pub groups: Vec<i64>,
    pub cap_eff: String,
    pub no_new_privs: i64,
    pub seccomp: i64,
    pub root_writable: bool,
    pub tmp_writable: bool,
}

/// Run in the container; every line is `NAME: VALUE`.
pub const LOOK: &str = r#"
grep -E '^(Uid|Gid|Groups|CapEff|NoNewPrivs|Seccomp):' /proc/self/status
touch /ironhull-e2e 2>/dev/null && echo 'Root: yes' || echo 'Root: no'
touch /tmp/ironhull-e2e 2>/dev/null && echo 'Tmp: yes' || echo 'Tmp: no'
"#;

/// CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID, NET_BIND_SERVICE: what a hardened
/// container that is root has.
pub const ROOT_KEEPS: &str = "00000000000004eb";

impl Inside {
    /// Reads what [`LOOK`] printed.
    pub fn parse(text: &str) -> Self {
        let line = |name: &str| -> Vec<&str> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).split_whitespace().collect()
        };
        let number = |name: &str| line(name)[0].parse().unwrap();
        Self {
            uid: number("Uid"),
            gid: number("Gid"),
            groups: line("Groups").iter().map(|group| group.parse().unwrap()).collect(),
            cap_eff: line("CapEff")[0].to_owned(),
            no_new_privs: number("NoNewPrivs"),
            seccomp: number("Seccomp"),
            root_writable: line("Root") == ["yes"],
            tmp_writable: line("Tmp") == ["yes"],
        }
    }

    /// A container that has everything the default policy gives.
    pub fn hardened(uid: i64, gid: i64) -> Self {
        Self {
            uid,
            gid,
            groups: vec![gid],
            cap_eff: "0000000000000000".to_owned(),
            no_new_privs: 1,
            seccomp: 2,
            root_writable: false,
            tmp_writable: true,
        }
    }
}
