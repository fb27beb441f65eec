//! A layer's bytes, unpacked: gzip, zstd or neither, by what they begin with. The media type is
//! not asked: registries serve every mixture, and containerd looks at the bytes as well.

use std::cell::Cell;
use std::io::{self, BufRead as _, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::error::{ErrorKind, ImageError};
use super::limits::{FREE, Limits};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Frames that are skipped have a first byte from 0x50 to 0x5f, and these behind it. Seekable and
/// lazily pulled layers begin or end with one.
const SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];
/// Magic numbers of what layers are not packed with.
const OTHER: [(&[u8], &str); 2] =
    [(&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz"), (b"PK\x03\x04", "zip")];
/// bzip2's, behind a level. What is before it may begin a file's name, too.
const BZIP2: &[u8] = b"1AY&SY";
/// Maximum window of a zstd frame, in bytes, which has to be in memory. Builders use 8 MiB at most;
/// more is of `--ultra --long`.
const WINDOW: u64 = 128 << 20;
/// Bytes read at once.
const BUFFER: usize = 64 << 10;

/// Unpacks what is read from `inner`. `stored` counts the bytes that went in.
pub(super) struct Unpacked<'c, R: Read> {
    decoder: Decoder<R>,
    stored: &'c Cell<u64>,
    unpacked: u64,
    limits: Limits,
}

enum Decoder<R: Read> {
    Plain(BufReader<R>),
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    Zstd(Box<Zstd<R>>),
}

impl<'c, R: Read> Unpacked<'c, R> {
    pub(super) fn new(
        inner: R,
        stored: &'c Cell<u64>,
        limits: &Limits,
    ) -> Result<Self, ImageError> {
        let mut inner = BufReader::with_capacity(BUFFER, inner);
        let start = inner.fill_buf()?;
        let skippable = start.first().is_some_and(|byte| byte & 0xf0 == 0x50)
            && start.get(1..).is_some_and(|rest| rest.starts_with(SKIPPABLE));
        let bzip2 =
            start.starts_with(b"BZh") && start.get(4..).is_some_and(|rest| rest.starts_with(BZIP2));
        let other = OTHER.iter().find(|(magic, _)| start.starts_with(magic));
        let other = other.map(|(_, name)| *name).or(bzip2.then_some("bzip2"));
        if let Some(name) = other {
            let message =
                format!("the layer is packed with {name}, which container runtimes do not read");
            return Err(ImageError::new(ErrorKind::Unsupported, message));
        }
        let decoder = if start.starts_with(GZIP) {
            Decoder::Gzip(Box::new(MultiGzDecoder::new(inner)))
        } else if start.starts_with(ZSTD) || skippable {
            Decoder::Zstd(Box::new(Zstd::new(inner)))
        } else {
            Decoder::Plain(inner)
        };
        Ok(Self { decoder, stored, unpacked: 0, limits: *limits })
    }
}

impl<R: Read> Read for Unpacked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.decoder {
            Decoder::Plain(inner) => inner.read(buffer),
            Decoder::Gzip(inner) => inner.read(buffer),
            Decoder::Zstd(inner) => inner.read(buffer),
        }?;
        self.unpacked += read as u64;
        let Limits { unpacked, ratio, .. } = self.limits;
        if self.unpacked > unpacked {
            let message = format!("the layer has more than {unpacked} bytes once it is unpacked");
            return Err(ImageError::too_large(message).into());
        }
        if self.unpacked > FREE && self.unpacked / ratio > self.stored.get() {
            let message =
                format!("the layer becomes more than {ratio} times as large once it is unpacked");
            return Err(ImageError::too_large(message).into());
        }
        Ok(read)
    }
}

/// Frames of zstd, one after another.
struct Zstd<R: Read> {
    source: Source<R>,
    decoder: FrameDecoder,
    /// Whether a frame is being decoded.
    within: bool,
}

/// Where a decoder reads from. It hides why that failed in an error of its own.
struct Source<R: Read> {
    inner: BufReader<R>,
    failed: Option<ImageError>,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect_err(|error| {
            let own = error.get_ref().and_then(|inner| inner.downcast_ref::<ImageError>());
            self.failed = own.cloned();
        })
    }
}

impl<R: Read> Zstd<R> {
    fn new(inner: BufReader<R>) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW);
        Self { source: Source { inner, failed: None }, decoder, within: false }
    }

    /// Begins the next frame that has content. Returns whether there is one.
    fn begin(&mut self) -> Result<bool, ImageError> {
        while !self.source.inner.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let mut skipped = (&mut self.source).take(length);
                    if io::copy(&mut skipped, &mut io::sink())? < length {
                        return Err(ImageError::bad("the data ends too early"));
                    }
                }
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(false)
    }

    fn failed(&mut self, error: &FrameDecoderError) -> ImageError {
        let own = self.source.failed.take();
        own.unwrap_or_else(|| ImageError::bad(format!("the layer's zstd data is damaged: {error}")))
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if !self.within || self.decoder.is_finished() {
                self.within = self.begin()?;
                if !self.within {
                    return Ok(0);
                }
            }
            if let Err(error) =
                self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
            {
                return Err(self.failed(&error).into());
            }
        }
    }
}

#[cfg(test)]
mod tests;
