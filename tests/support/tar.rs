//! Tar archives as a test wants them: well-formed unless it says otherwise.

/// An archive, entry by entry.
#[derive(Clone, Debug, Default)]
pub struct Tar {
    bytes: Vec<u8>,
}

/// One entry's header.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'e> {
    pub name: &'e str,
    pub kind: u8,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub link: &'e str,
}

impl Default for Entry<'_> {
    fn default() -> Self {
        Self { name: "file", kind: b'0', mode: 0o644, uid: 0, gid: 0, link: "" }
    }
}

impl Tar {
    pub fn new() -> Self {
        Self::default()
    }

    /// A directory of root's, 0755.
    pub fn directory(self, name: &str) -> Self {
        self.owned_directory(name, 0o755, 0, 0)
    }

    pub fn owned_directory(self, name: &str, mode: u32, uid: u32, gid: u32) -> Self {
        self.entry(Entry { name, kind: b'5', mode, uid, gid, ..Entry::default() }, b"")
    }

    /// A file of root's, 0644.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(Entry { name, ..Entry::default() }, content.as_ref())
    }

    /// A file of root's, 0755.
    pub fn program(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(Entry { name, mode: 0o755, ..Entry::default() }, content.as_ref())
    }

    pub fn symlink(self, name: &str, link: &str) -> Self {
        self.entry(Entry { name, kind: b'2', mode: 0o777, link, ..Entry::default() }, b"")
    }

    pub fn hard_link(self, name: &str, link: &str) -> Self {
        self.entry(Entry { name, kind: b'1', link, ..Entry::default() }, b"")
    }

    /// Extended headers for the next entry.
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        self.pax_of_kind(b'x', records)
    }

    pub fn pax_of_kind(self, kind: u8, records: &[(&str, &[u8])]) -> Self {
        let mut content = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            content.extend(format!("{length} {key}=").bytes());
            content.extend(*value);
            content.push(b'\n');
        }
        self.entry(Entry { name: "PaxHeaders/x", kind, ..Entry::default() }, &content)
    }

    /// A GNU long name (`L`) or long target (`K`) for the next entry.
    pub fn gnu_long(self, kind: u8, text: &str) -> Self {
        let content = [text.as_bytes(), &[0]].concat();
        self.entry(Entry { name: "././@LongLink", kind, ..Entry::default() }, &content)
    }

    pub fn entry(self, entry: Entry<'_>, content: &[u8]) -> Self {
        self.header(&header(entry, content.len() as u64)).content(content)
    }

    /// A header as it stands.
    pub fn header(mut self, header: &[u8; 512]) -> Self {
        self.bytes.extend(header);
        self
    }

    /// Content, filled to whole blocks.
    pub fn content(mut self, content: &[u8]) -> Self {
        self.bytes.extend(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    /// The archive so far, without an end.
    pub fn open(self) -> Vec<u8> {
        self.bytes
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend([0; 1024]);
        self.bytes
    }
}

/// A header of POSIX, with its checksum.
pub fn header(entry: Entry<'_>, size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    assert!(entry.name.len() <= 100 && entry.link.len() <= 100, "use pax or gnu_long");
    put(0, entry.name.as_bytes());
    put(100, format!("{:07o}\0", entry.mode).as_bytes());
    put(108, format!("{:07o}\0", entry.uid).as_bytes());
    put(116, format!("{:07o}\0", entry.gid).as_bytes());
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(156, &[entry.kind]);
    put(157, entry.link.as_bytes());
    put(257, b"ustar\x0000");
    sealed(block)
}

/// The header with its checksum.
pub fn sealed(mut block: [u8; 512]) -> [u8; 512] {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}
