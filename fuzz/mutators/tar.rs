//! Layers, block by block: a change of a byte alone ends at a header's checksum.

use properties::layer::SEPARATOR;

use super::random::Random;

const BLOCK: usize = 512;

/// Names that mean something, to the reader or to what is below it.
const NAMES: [&str; 24] = [
    "etc/passwd",
    "etc/group",
    "etc",
    "etc/.wh.passwd",
    "etc/.wh..wh..opq",
    ".wh.etc",
    ".wh..wh..opq",
    "tmp",
    "tmp/x",
    "run.sh",
    "bin/run",
    "usr/bin/tool",
    "var/cache/web",
    "home/app",
    "home/app/file",
    "./a/../b",
    "../../etc/passwd",
    "/abs/olute",
    "a//b",
    "loop",
    "loop/loop",
    ".",
    "",
    "data",
];

/// Fields of a header: where, and how long.
const NAME: (usize, usize) = (0, 100);
const MODE: usize = 100;
const UID: usize = 108;
const GID: usize = 116;
const SIZE: usize = 124;
const KIND: usize = 156;
const LINK: (usize, usize) = (157, 100);

/// Changes one block of one layer, or the order of blocks. `None` if there is no layer.
pub fn mutated(random: &mut Random, input: &[u8]) -> Option<Vec<u8>> {
    let start = input.windows(SEPARATOR.len()).position(|it| it == SEPARATOR)? + SEPARATOR.len();
    let blocks = (input.len() - start) / BLOCK;
    let mut new = input.to_vec();
    if blocks == 0 {
        return None;
    }
    let headers: Vec<usize> = (0..blocks)
        .map(|block| start + block * BLOCK)
        .filter(|at| is_header(&input[*at..*at + BLOCK]))
        .collect();
    let any = start + random.below(blocks) * BLOCK;
    let header = if headers.is_empty() { any } else { headers[random.below(headers.len())] };
    match random.below(10) {
        0 => {
            let copy = new[any..any + BLOCK].to_vec();
            new.splice(header..header, copy);
        }
        1 => drop(new.drain(any..any + BLOCK)),
        2 => {
            let copy = new[any..any + BLOCK].to_vec();
            new[header..header + BLOCK].copy_from_slice(&copy);
        }
        3 | 4 => set(&mut new[header..], NAME, NAMES[random.below(NAMES.len())]),
        5 => {
            new[header + KIND] = b"0125xgLKSVD34"[random.below(13)];
            set(&mut new[header..], LINK, NAMES[random.below(NAMES.len())]);
        }
        6 => number(
            &mut new[header + MODE..],
            [0o644, 0o755, 0o4755, 0o2755, 0o1777, 0o700][random.below(6)],
        ),
        7 => {
            let field = [UID, GID][random.below(2)];
            number(
                &mut new[header + field..],
                [0, 1, 33, 1000, 65_534, 0o7_777_777][random.below(6)],
            );
        }
        8 => number(&mut new[header + SIZE..], [0, 1, 511, 512, 513, 2048][random.below(6)]),
        _ => {
            let at = header + random.below(BLOCK);
            new[at] = random.below(256) as u8;
        }
    }
    reseal(&mut new, start);
    Some(new)
}

fn is_header(block: &[u8]) -> bool {
    block.get(257..262) == Some(b"ustar")
}

fn set(header: &mut [u8], (at, length): (usize, usize), text: &str) {
    header[at..at + length].fill(0);
    header[at..at + text.len()].copy_from_slice(text.as_bytes());
}

/// Seven octal digits, of which a size has four more.
fn number(field: &mut [u8], number: u32) {
    field[..8].copy_from_slice(format!("{number:07o}\0").as_bytes());
}

/// Computes every checksum anew.
fn reseal(bytes: &mut [u8], start: usize) {
    for block in bytes[start..].chunks_exact_mut(BLOCK).filter(|block| is_header(block)) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
