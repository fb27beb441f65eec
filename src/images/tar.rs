//! Reads a tar archive as container runtimes do, which is as Go's `archive/tar` does
//! (`reader.go`): ustar, GNU and PAX, with long names, and without holding a file.
//!
//! The crate `tar` reads the same formats. It keeps long names of any length in memory, and
//! ironhull reads archives of strangers.

mod header;

use std::io::{self, Read};

use super::error::ImageError;
use header::{BLOCK, Block};

/// Maximum size of a long name or of extended headers, in bytes: Go's `maxSpecialFileSize`.
const SPECIAL: u64 = 1 << 20;
/// Prefix of PAX records that are extended attributes.
const XATTR_CAPABILITY: &str = "SCHILY.xattr.security.capability";

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file with content.
    File,
    /// A hard link to an earlier entry.
    Link,
    Symlink,
    /// A device or a named pipe.
    Special,
    /// The character device 0:0. overlayfs removes a file with it, and has no other use for it.
    Removed,
    Directory,
    /// Extended headers for all further entries: container runtimes ignore them.
    Global,
}

/// An entry, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// Its name as it stands there.
    pub(super) name: String,
    /// Target of a link.
    pub(super) link: String,
    /// Permissions, with setuid, setgid and sticky.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Bytes of content.
    pub(super) size: u64,
    /// Value of the extended attribute `security.capability`.
    pub(super) capability: Option<Vec<u8>>,
    /// Whether the content is only the parts of a file that are not holes.
    pub(super) sparse: bool,
}

/// Reads entries one after another.
pub(super) struct Archive<R> {
    inner: R,
    /// Bytes of the present entry's content that were not read.
    content: u64,
    /// Bytes that fill its last block.
    padding: u64,
}

/// What extended headers and long names say of the entry that follows.
#[derive(Default)]
struct Extended {
    name: Option<String>,
    link: Option<String>,
    long_name: Option<String>,
    long_link: Option<String>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    capability: Option<Vec<u8>>,
    sparse_name: Option<String>,
    sparse: bool,
}

impl<R: Read> Archive<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, content: 0, padding: 0 }
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    /// When the archive is damaged, or cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Header>, ImageError> {
        let mut extended = Extended::default();
        loop {
            self.skip()?;
            let Some(block) = self.header_block()? else { return Ok(None) };
            let size = block.size()?;
            match block.kind() {
                b'x' => {
                    let records = self.special(size)?;
                    extended.read(&records)?;
                }
                b'g' => {
                    self.content(size);
                    return Ok(Some(Header { kind: Kind::Global, ..block.header(String::new())? }));
                }
                b'L' => extended.long_name = Some(header::text(&self.special(size)?)),
                b'K' => extended.long_link = Some(header::text(&self.special(size)?)),
                _ => return self.entry(&block, extended).map(Some),
            }
        }
    }

    fn entry(&mut self, block: &Block, extended: Extended) -> Result<Header, ImageError> {
        let Extended { name, link, long_name, long_link, size, uid, gid, capability, .. } =
            extended;
        let name = extended.sparse_name.or(long_name).or(name).unwrap_or_else(|| block.name());
        let link = long_link.or(link).unwrap_or_else(|| block.link());
        let mut header = Header { link, capability, ..block.header(name)? };
        header.uid = uid.unwrap_or(header.uid);
        header.gid = gid.unwrap_or(header.gid);
        header.size = size.unwrap_or(header.size);
        header.sparse = extended.sparse || block.kind() == b'S';
        if block.kind() == b'S' {
            self.skip_sparse_map(block)?;
        }
        match header.kind {
            Kind::File => self.content(header.size),
            _ => header.size = 0,
        }
        Ok(header)
    }

    /// Where it reads from.
    pub(super) fn inner(&self) -> &R {
        &self.inner
    }

    /// The content of the present entry.
    pub(super) fn read_content(&mut self) -> Content<'_, R> {
        Content(self)
    }

    fn content(&mut self, size: u64) {
        self.content = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
    }

    fn skip(&mut self) -> Result<(), ImageError> {
        let rest = std::mem::take(&mut self.content) + std::mem::take(&mut self.padding);
        let skipped = io::copy(&mut (&mut self.inner).take(rest), &mut io::sink())?;
        if skipped < rest { Err(ImageError::bad("the archive ends within a file")) } else { Ok(()) }
    }

    /// A header; `None` at the end: two blocks of zeros, or the end of the data.
    fn header_block(&mut self) -> Result<Option<Block>, ImageError> {
        let Some(block) = self.block()? else { return Ok(None) };
        if !block.is_empty() {
            return block.checked().map(Some);
        }
        match self.block()? {
            None => Ok(None),
            Some(block) if block.is_empty() => Ok(None),
            Some(_) => Err(ImageError::bad("the archive has an empty header")),
        }
    }

    fn block(&mut self) -> Result<Option<Block>, ImageError> {
        let mut bytes = Vec::with_capacity(BLOCK);
        (&mut self.inner).take(BLOCK as u64).read_to_end(&mut bytes)?;
        match <[u8; BLOCK]>::try_from(bytes) {
            Ok(bytes) => Ok(Some(Block(bytes))),
            Err(bytes) if bytes.is_empty() => Ok(None),
            Err(_) => Err(ImageError::bad("the archive ends within a header")),
        }
    }

    /// A long name or extended headers.
    fn special(&mut self, size: u64) -> Result<Vec<u8>, ImageError> {
        if size > SPECIAL {
            return Err(ImageError::bad("the archive has a name or headers of more than 1 MiB"));
        }
        self.content(size);
        let mut bytes = Vec::new();
        self.read_content().read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The blocks between an old GNU header and its content that list what is no hole.
    fn skip_sparse_map(&mut self, block: &Block) -> Result<(), ImageError> {
        let mut more = block.has_sparse_map();
        while more {
            let block = self.block()?.ok_or_else(|| ImageError::bad("the archive ends early"))?;
            more = block.sparse_map_goes_on();
        }
        Ok(())
    }
}

/// The content of one entry.
pub(super) struct Content<'a, R>(&'a mut Archive<R>);

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self(archive) = self;
        let read = (&mut archive.inner).take(archive.content).read(buffer)?;
        if read == 0 && archive.content > 0 && !buffer.is_empty() {
            return Err(ImageError::bad("the archive ends within a file").into());
        }
        archive.content -= read as u64;
        Ok(read)
    }
}

impl Extended {
    /// Reads PAX records: `LENGTH KEY=VALUE\n`, the length being that of all of it.
    fn read(&mut self, mut records: &[u8]) -> Result<(), ImageError> {
        let bad = || ImageError::bad("the archive has damaged extended headers");
        while !records.is_empty() {
            let space = records.iter().position(|byte| *byte == b' ').ok_or_else(bad)?;
            let length = records.get(..space).and_then(|digits| std::str::from_utf8(digits).ok());
            let length: usize = length.and_then(|digits| digits.parse().ok()).ok_or_else(bad)?;
            let (record, rest) = records.split_at_checked(length).ok_or_else(bad)?;
            let record = record.get(space + 1..).and_then(|it| it.strip_suffix(b"\n"));
            let record = record.ok_or_else(bad)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(bad)?;
            let (key, value) = record.split_at_checked(equals).ok_or_else(bad)?;
            self.set(key, value.get(1..).unwrap_or_default())?;
            records = rest;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), ImageError> {
        let text = || String::from_utf8_lossy(value).into_owned();
        // An empty value takes back what an earlier record said.
        let given = (!value.is_empty()).then(text);
        fn number<T: std::str::FromStr>(text: Option<String>) -> Result<Option<T>, ImageError> {
            let bad = |_| ImageError::bad("the archive has a number that is none");
            // Sizes may have a fraction in times only; an owner beyond 32 bits is nobody.
            text.map(|text| text.parse().map_err(bad)).transpose()
        }
        match key {
            b"path" => self.name = given,
            b"linkpath" => self.link = given,
            b"size" => self.size = number(given)?,
            b"uid" => self.uid = number(given)?,
            b"gid" => self.gid = number(given)?,
            b"GNU.sparse.name" => (self.sparse_name, self.sparse) = (given, true),
            b"GNU.sparse.major" | b"GNU.sparse.map" | b"GNU.sparse.size" => self.sparse = true,
            key if key == XATTR_CAPABILITY.as_bytes() => {
                self.capability = (!value.is_empty()).then(|| value.to_vec());
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
