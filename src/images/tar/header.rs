//! One header of a tar archive: 512 bytes.

use super::{Header, Kind};
use crate::images::error::ImageError;

/// Size of a block, in bytes.
pub(super) const BLOCK: usize = 512;

/// A block, read as a header.
pub(super) struct Block(pub(super) [u8; BLOCK]);

impl Block {
    fn field(&self, from: usize, length: usize) -> &[u8] {
        self.0.get(from..from + length).unwrap_or_default()
    }

    /// Whether it is all zeros.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// The block, if its checksum is right. Old programs summed signed bytes.
    pub(super) fn checked(self) -> Result<Self, ImageError> {
        let stated = number(self.field(148, 8))?;
        let bytes = || {
            let checksum = 148..156;
            self.0.iter().enumerate().map(
                move |(at, byte)| {
                    if checksum.contains(&at) { b' ' } else { *byte }
                },
            )
        };
        let unsigned: i64 = bytes().map(i64::from).sum();
        let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
        if stated != unsigned && stated != signed {
            return Err(ImageError::bad("this is no tar archive, or it is damaged"));
        }
        Ok(self)
    }

    /// The type flag.
    pub(super) fn kind(&self) -> u8 {
        self.field(156, 1).first().copied().unwrap_or_default()
    }

    pub(super) fn size(&self) -> Result<u64, ImageError> {
        let size = number(self.field(124, 12))?;
        u64::try_from(size).map_err(|_| ImageError::bad("the archive has a negative size"))
    }

    /// The name, with the prefix that ustar has for long ones. GNU keeps times there.
    pub(super) fn name(&self) -> String {
        let name = text(self.field(0, 100));
        let prefix = match (self.field(257, 6), self.field(508, 4)) {
            (b"ustar\0", b"tar\0") => text(self.field(345, 131)),
            (b"ustar\0", _) => text(self.field(345, 155)),
            _ => String::new(),
        };
        if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
    }

    pub(super) fn link(&self) -> String {
        text(self.field(157, 100))
    }

    /// Whether more of a sparse file's map follows this header.
    pub(super) fn has_sparse_map(&self) -> bool {
        self.field(482, 1) != [0]
    }

    /// Whether more of a sparse file's map follows this block of it.
    pub(super) fn sparse_map_goes_on(&self) -> bool {
        self.field(504, 1) != [0]
    }

    /// Major and minor number of a device. Archives of before POSIX have none.
    fn device(&self) -> Result<(i64, i64), ImageError> {
        match self.field(257, 5) {
            b"ustar" => Ok((number(self.field(329, 8))?, number(self.field(337, 8))?)),
            _ => Ok((0, 0)),
        }
    }

    /// The entry under this name, as far as the header tells.
    pub(super) fn header(&self, name: String) -> Result<Header, ImageError> {
        let kind = match self.kind() {
            // An archive of before POSIX has no flag for directories.
            0 if name.ends_with('/') => Kind::Directory,
            // A sparse file, and a contiguous one: files for everybody but the archiver.
            0 | b'0' | b'S' | b'7' => Kind::File,
            b'1' => Kind::Link,
            b'2' => Kind::Symlink,
            b'3' if self.device()? == (0, 0) => Kind::Removed,
            b'3' | b'4' | b'6' => Kind::Special,
            b'5' => Kind::Directory,
            b'g' => Kind::Global,
            kind => {
                let kind = char::from(kind).escape_default();
                return Err(ImageError::bad(format!("the archive has an entry of type `{kind}`")));
            }
        };
        // An owner beyond 32 bits is none that Linux has.
        let id = |from| number(self.field(from, 8)).map(|id| u32::try_from(id).unwrap_or(u32::MAX));
        let mode = u32::try_from(number(self.field(100, 8))? & 0o7777).unwrap_or_default();
        let (uid, gid) = (id(108)?, id(116)?);
        let link = String::new();
        Ok(Header {
            kind,
            name,
            link,
            mode,
            uid,
            gid,
            size: self.size()?,
            capability: None,
            sparse: false,
        })
    }
}

/// The text before the first NUL.
pub(super) fn text(field: &[u8]) -> String {
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// A number: octal digits, or base 256 if the first bit is set.
fn number(field: &[u8]) -> Result<i64, ImageError> {
    let bad = || ImageError::bad("the archive has a number that is none");
    let Some((first, rest)) = field.split_first() else { return Ok(0) };
    if first & 0x80 != 0 {
        // Two's complement; the first bit only marks the form.
        let sign = if first & 0x40 == 0 { 0_i64 } else { -1 };
        let start = (sign << 7) | i64::from(first & 0x7f);
        return rest
            .iter()
            .try_fold(start, |sum, byte| Some(sum.checked_mul(256)? | i64::from(*byte)))
            .ok_or_else(bad);
    }
    let digits = text(field);
    let digits = digits.trim_matches(' ');
    if digits.is_empty() {
        return Ok(0);
    }
    i64::from_str_radix(digits, 8).map_err(|_| bad())
}
