//! Files of a directory, or of an archive that holds one.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::error::{ErrorKind, ImageError};
use super::path;
use super::tar::{Archive, Kind};

/// Maximum number of files in an archive of images: a thousand images have some ten thousand.
const ENTRIES: usize = 200_000;

/// Where files are.
#[derive(Debug)]
pub(super) enum Files {
    Directory(PathBuf),
    Archive(PathBuf, HashMap<String, Place>),
}

/// A file in an archive.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// First byte and size.
    At(u64, u64),
    /// Another name for this one.
    Link(String),
}

impl Files {
    /// Lists the files of a tar archive.
    ///
    /// # Errors
    /// When it is none, or is packed.
    pub(super) fn of_archive(path: &Path) -> Result<Self, ImageError> {
        let shown = path.display();
        let open = || File::open(path).map_err(|error| ImageError::unreadable(&shown, &error));
        let mut start = Vec::new();
        open()?.take(4).read_to_end(&mut start).map_err(|e| ImageError::unreadable(&shown, &e))?;
        if start.starts_with(&[0x1f, 0x8b]) || start == [0x28, 0xb5, 0x2f, 0xfd] {
            let message =
                format!("{shown}: the archive is packed; unpack it first, with gunzip or unzstd");
            return Err(ImageError::new(ErrorKind::Unsupported, message));
        }
        let mut archive = Archive::new(Seeking::new(open()?));
        let mut places = HashMap::new();
        while let Some(header) = archive.next().map_err(|error| error.at(&shown))? {
            let name = path::clean(&header.name);
            let place = match header.kind {
                Kind::File if !header.sparse => Place::At(archive.position(), header.size),
                Kind::Link => Place::Link(path::clean(&header.link)),
                // `docker save` once linked equal layers: `../ID/layer.tar`.
                Kind::Symlink => {
                    let parent = path::split(&name).map_or("", |(parent, _)| parent);
                    Place::Link(path::clean(&format!("{parent}/{}", header.link)))
                }
                _ => continue,
            };
            places.insert(name, place);
            if places.len() > ENTRIES {
                return Err(ImageError::too_large(format!("{shown}: more than {ENTRIES} files")));
            }
        }
        Ok(Self::Archive(path.to_owned(), places))
    }

    /// Opens a file.
    pub(super) fn open(&self, name: &str) -> Result<Box<dyn Read + Send>, ImageError> {
        match self {
            Self::Directory(directory) => {
                let path = directory.join(name);
                let file = File::open(&path);
                let file = file.map_err(|error| ImageError::unreadable(path.display(), &error))?;
                Ok(Box::new(file))
            }
            Self::Archive(archive, places) => {
                let missing = || {
                    let message = format!("{}: there is no `{name}` in it", archive.display());
                    ImageError::new(ErrorKind::NotFound, message)
                };
                let mut place = places.get(name).ok_or_else(missing)?;
                // One link leads to a file; more are nobody's.
                if let Place::Link(target) = place {
                    place = places.get(target).ok_or_else(missing)?;
                }
                let Place::At(start, size) = place else { return Err(missing()) };
                let unreadable = |error| ImageError::unreadable(archive.display(), &error);
                let mut file = File::open(archive).map_err(unreadable)?;
                file.seek(SeekFrom::Start(*start)).map_err(unreadable)?;
                Ok(Box::new(file.take(*size)))
            }
        }
    }

    /// The directory or the archive, for messages.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Directory(path) | Self::Archive(path, _) => path,
        }
    }
}

/// Counts what is read of a file.
pub(super) struct Seeking {
    inner: BufReader<File>,
    position: u64,
}

impl Seeking {
    fn new(file: File) -> Self {
        Self { inner: BufReader::with_capacity(64 << 10, file), position: 0 }
    }
}

impl Read for Seeking {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Archive<Seeking> {
    /// The first byte of the present entry's content.
    fn position(&self) -> u64 {
        self.inner().position
    }
}
