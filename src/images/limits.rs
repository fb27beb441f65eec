//! How much of an image is read at most.

use std::cell::Cell;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use super::error::{ErrorKind, ImageError};

/// Limits for reading one image. An image that passes one is an error, never a part of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a layer as it is stored. The largest images in use, with models or CUDA in them,
    /// have layers of some 10 GiB.
    pub stored: u64,
    /// Bytes of a layer once it is unpacked.
    pub unpacked: u64,
    /// How many bytes one stored byte may become, beyond the first [`FREE`]. DEFLATE itself ends at 1032.
    pub ratio: u64,
    /// Entries of a layer. A million files in one is known from images with all of npm.
    pub entries: u64,
    /// Bytes of names and targets of links that are kept for a layer.
    pub names: usize,
    /// Layers of an image. Container runtimes end at 127.
    pub layers: usize,
    /// Platforms of an index. The largest official ones have a dozen.
    pub platforms: usize,
    /// Bytes of a manifest or a configuration: what registries accept, and containerd reads.
    pub document: usize,
    /// Time for one layer.
    pub time: Duration,
    /// Time for one image, of all platforms.
    pub total: Duration,
    /// When that time is over. Set when reading begins.
    pub deadline: Option<Instant>,
}

/// Unpacked bytes that every layer may have, whatever it was packed from: a large file of zeros is
/// nobody's attack.
pub(super) const FREE: u64 = 2 << 30;

impl Default for Limits {
    fn default() -> Self {
        Self {
            stored: 32 << 30,
            unpacked: 64 << 30,
            ratio: 200,
            entries: 4_000_000,
            names: 64 << 20,
            layers: 127,
            platforms: 64,
            document: 4 << 20,
            time: Duration::from_mins(30),
            total: Duration::from_hours(1),
            deadline: None,
        }
    }
}

impl Limits {
    /// The same limits for an image that is read from now on.
    pub(super) fn started(self) -> Self {
        Self { deadline: Some(Instant::now() + self.total), ..self }
    }

    /// # Errors
    /// When the time for the image is over.
    pub(super) fn check_time(&self) -> Result<(), ImageError> {
        if self.deadline.is_none_or(|deadline| Instant::now() <= deadline) {
            return Ok(());
        }
        let message = format!("it takes more than {} s to read", self.total.as_secs());
        Err(ImageError::new(ErrorKind::Timeout, message))
    }
}

/// Reads a layer as it is stored, and counts. Ends with an error where it has more bytes than it
/// should, or takes too long.
pub(super) struct Counted<'c, R> {
    inner: R,
    count: &'c Cell<u64>,
    /// Its size; 0 if that is not known.
    size: u64,
    limit: u64,
    deadline: Instant,
}

impl<'c, R: Read> Counted<'c, R> {
    pub(super) fn new(inner: R, count: &'c Cell<u64>, size: u64, limits: &Limits) -> Self {
        let own = Instant::now() + limits.time;
        let deadline = limits.deadline.map_or(own, |whole| whole.min(own));
        Self { inner, count, size, limit: limits.stored, deadline }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let count = self.count.get() + read as u64;
        self.count.set(count);
        let Self { size, limit, .. } = *self;
        if size > 0 && count > size {
            let message =
                "the layer has more bytes than its manifest says: it was damaged or replaced";
            return Err(ImageError::bad(message).into());
        }
        if count > limit {
            return Err(
                ImageError::too_large(format!("the layer has more than {limit} bytes")).into()
            );
        }
        if Instant::now() > self.deadline {
            let message = "the layer takes too long to read";
            return Err(ImageError::new(ErrorKind::Timeout, message).into());
        }
        Ok(read)
    }
}

/// Reads all of `inner`, which may be of `limit` bytes.
///
/// # Errors
/// When it is longer, or cannot be read.
pub(super) fn read_all(inner: impl Read, limit: usize, what: &str) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    inner.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(ImageError::too_large(format!("{what} has more than {limit} bytes")));
    }
    Ok(bytes)
}
