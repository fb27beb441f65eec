//! /proc/net/tcp and its relatives, parsed (proc_net(5)).

/// The tables of sockets, and what is looked for in each.
pub const TABLES: [(&str, Kind); 6] = [
    ("tcp", Kind::Tcp),
    ("tcp6", Kind::Tcp),
    ("udp", Kind::Udp),
    ("udp6", Kind::Udp),
    ("raw", Kind::Raw),
    ("raw6", Kind::Raw),
];

/// Kind of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Raw IP, which takes NET_RAW.
    Raw,
}

impl Kind {
    /// The word in a container's `ports`; none for raw sockets, which have none.
    pub const fn protocol(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Raw => "",
        }
    }
}

/// A socket that waits for anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Its kind.
    pub kind: Kind,
    /// Its local port; of a raw socket, the IP protocol.
    pub port: u16,
    /// Uid it was opened by.
    pub uid: u32,
    /// Its inode: what `/proc/PID/fd` calls `socket:[INODE]`.
    pub inode: u64,
}

/// Reads a line of a table; `None` if that is its head or a connection.
pub fn listening(line: &str, kind: Kind) -> Option<Listening> {
    /// TCP_LISTEN, and TCP_CLOSE, which is what the kernel calls a UDP socket without a peer.
    const LISTEN: &str = "0A";
    const NO_PEER: &str = "07";
    let mut fields = line.split_whitespace();
    let (_slot, local, _remote, state) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    if state != if kind == Kind::Tcp { LISTEN } else { NO_PEER } {
        return None;
    }
    let (_, port) = local.rsplit_once(':')?;
    // Queues, timer and retransmissions come before the uid, a timeout after it.
    let uid = fields.nth(3)?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    Some(Listening { kind, port: u16::from_str_radix(port, 16).ok()?, uid, inode })
}

/// The inode of a link of `/proc/PID/fd` that leads to a socket.
pub fn socket(link: &[u8]) -> Option<u64> {
    let inode = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(inode).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 50321 1 0000000000000000 100 0 0 10 0
   1: 0400F40A:0050 0100F40A:A1B2 01 00000000:00000000 02:00000A4B 00000000    33        0 50400 2 0000000000000000 20 4 30 10 -1";
    const UDP6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 2031: 00000000000000000000000000000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 61234 2 0000000000000000 0";

    fn all(table: &str, kind: Kind) -> Vec<Listening> {
        table.lines().filter_map(|line| listening(line, kind)).collect()
    }

    #[test]
    fn only_what_listens() {
        let nginx = Listening { kind: Kind::Tcp, port: 80, uid: 0, inode: 50321 };
        assert_eq!(all(TCP, Kind::Tcp), [nginx]);
        let named = Listening { kind: Kind::Udp, port: 53, uid: 101, inode: 61234 };
        assert_eq!(all(UDP6, Kind::Udp), [named]);
        assert_eq!(all("", Kind::Raw), []);
        assert_eq!(all("garbage\n0: x y 0A", Kind::Tcp), []);
    }

    #[test]
    fn links_to_sockets() {
        assert_eq!(socket(b"socket:[50321]"), Some(50321));
        for other in ["/dev/null", "socket:[x]", "socket:[1", "pipe:[2]"] {
            assert_eq!(socket(other.as_bytes()), None, "{other}");
        }
    }
}
