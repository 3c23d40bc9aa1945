//! The bytes of `secrets.enc`: read, opened, sealed. Pure but for random numbers.
//!
//! One line of JSON, the header: version, who holds the key, the data key wrapped by that key, a nonce. Then the
//! secrets, encrypted by the data key (ChaCha20-Poly1305), with the whole header as authenticated data: nothing of
//! the file can be changed or swapped. Last a SHA-256 of all that, which tells damage from a wrong key.

use std::collections::BTreeMap;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::secrets::kdf::{self, Key, Work};

/// The version that is written, and the newest that is read.
pub const VERSION: u32 = 1;

const DIGEST_LEN: usize = 32;

/// What the file protects its data key with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holder {
    /// An entry of the operating system's keychain.
    Keychain,
    /// `LOOM_MASTER_KEY`.
    MasterKey,
    /// A passphrase that a person types, or `LOOM_PASSPHRASE`.
    Passphrase,
    /// A file that only this user can read.
    KeyFile,
}

/// The secrets by name.
pub type Values = BTreeMap<String, Secret<String>>;

/// A file whose header could be read.
#[derive(Debug)]
pub struct Sealed<'f> {
    header: Header,
    /// The header's line, as it stands in the file.
    line: &'f [u8],
    body: &'f [u8],
}

/// A data key, and how it stands wrapped in the header.
#[derive(Clone, Debug)]
pub struct Opened {
    data_key: Key,
    wrapped: Wrapped,
}

/// Why the bytes cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("is not a secrets file of loom")]
    Foreign,
    #[error("is of version {0}; this loom reads up to version {VERSION}")]
    Newer(u32),
    #[error("is damaged")]
    Damaged,
    #[error("is protected by another key")]
    WrongKey,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Header {
    #[serde(rename = "loom-secrets")]
    version: u32,
    key: Wrapped,
    nonce: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Wrapped {
    by: Holder,
    #[serde(skip_serializing_if = "Option::is_none")]
    argon2id: Option<Slow>,
    nonce: String,
    data_key: String,
}

/// How the wrapping key is derived from what a person chose.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Slow {
    work: Work,
    salt: String,
}

/// What opens a file.
pub enum Opener<'k> {
    /// A random key.
    Key(&'k Key),
    /// Something that a person chose.
    Phrase(&'k Secret<String>),
}

/// Reads the header of `file`.
pub fn parse(file: &[u8]) -> Result<Sealed<'_>, SealError> {
    if !file.starts_with(br#"{"loom-secrets":"#) {
        return Err(SealError::Foreign);
    }
    let version: String = file[16..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .take(9)
        .map(|byte| char::from(*byte))
        .collect();
    let version: u32 = version.parse().map_err(|_| SealError::Damaged)?;
    if version > VERSION {
        return Err(SealError::Newer(version));
    }
    let Some(kept) = file.len().checked_sub(DIGEST_LEN) else { return Err(SealError::Damaged) };
    let (content, sum) = file.split_at(kept);
    if digest(&SHA256, content).as_ref() != sum {
        return Err(SealError::Damaged);
    }
    let end = memchr::memchr(b'\n', content).ok_or(SealError::Damaged)?;
    let (line, body) = content.split_at(end + 1);
    let header: Header = serde_json::from_slice(line).map_err(|_| SealError::Damaged)?;
    Ok(Sealed { header, line, body })
}

impl Sealed<'_> {
    pub fn holder(&self) -> Holder {
        self.header.key.by
    }

    /// Differs when the data key is wrapped differently.
    pub fn key_text(&self) -> &str {
        &self.header.key.data_key
    }

    /// Unwraps the data key.
    pub fn open(&self, opener: &Opener<'_>) -> Result<Opened, SealError> {
        let wrapped = &self.header.key;
        let key = wrapping_key(opener, wrapped.argon2id.as_ref())?;
        let mut bytes = Zeroizing::new(from_hex(&wrapped.data_key)?);
        let plain =
            decrypt(&key, &wrapped.nonce, &wrapped.context(), &mut bytes).map_err(|_| SealError::WrongKey)?;
        let data_key: [u8; 32] = plain.try_into().map_err(|_| SealError::Damaged)?;
        Ok(Opened { data_key: Secret::new(data_key), wrapped: wrapped.clone() })
    }

    /// The secrets.
    pub fn values(&self, opened: &Opened) -> Result<Values, SealError> {
        let mut bytes = Zeroizing::new(self.body.to_vec());
        let plain = decrypt(&opened.data_key, &self.header.nonce, self.line, &mut bytes)?;
        unpack(plain).ok_or(SealError::Damaged)
    }
}

impl Opened {
    pub fn holder(&self) -> Holder {
        self.wrapped.by
    }

    /// A new data key, wrapped.
    pub fn fresh(by: Holder, opener: &Opener<'_>) -> Result<Opened, SealError> {
        let argon2id = match opener {
            Opener::Key(_) => None,
            Opener::Phrase(_) => Some(Slow { work: kdf::WORK, salt: to_hex(&random::<16>()) }),
        };
        let key = wrapping_key(opener, argon2id.as_ref())?;
        let data_key = Secret::new(random::<32>());
        let nonce = random();
        let mut wrapped = Wrapped { by, argon2id, nonce: to_hex(&nonce), data_key: String::new() };
        let mut bytes = Zeroizing::new(data_key.expose().to_vec());
        encrypt(&key, nonce, &wrapped.context(), &mut bytes);
        wrapped.data_key = to_hex(&bytes);
        Ok(Opened { data_key, wrapped })
    }

    /// The bytes of a file with `values`.
    pub fn seal(&self, values: &Values) -> Vec<u8> {
        let nonce = random();
        let header = Header { version: VERSION, key: self.wrapped.clone(), nonce: to_hex(&nonce) };
        let mut file = serde_json::to_vec(&header).expect("a header has string keys");
        file.push(b'\n');
        let mut body = pack(values);
        encrypt(&self.data_key, nonce, &file, &mut body);
        file.extend_from_slice(&body);
        let sum = digest(&SHA256, &file);
        file.extend_from_slice(sum.as_ref());
        file
    }
}

impl Wrapped {
    /// What is authenticated with the data key: who holds its key, and how much work a guess is.
    fn context(&self) -> Vec<u8> {
        serde_json::to_vec(&(self.by, &self.argon2id)).expect("a header has string keys")
    }
}

fn wrapping_key(opener: &Opener<'_>, slow: Option<&Slow>) -> Result<Key, SealError> {
    match (opener, slow) {
        (Opener::Key(key), None) => Ok((*key).clone()),
        (Opener::Phrase(phrase), Some(slow)) => {
            kdf::derive(phrase, &from_hex(&slow.salt)?, slow.work).ok_or(SealError::Damaged)
        }
        (Opener::Key(_), Some(_)) | (Opener::Phrase(_), None) => Err(SealError::WrongKey),
    }
}

fn cipher(key: &Key) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key.expose());
    LessSafeKey::new(key.expect("a key of 256 bits is what the cipher takes"))
}

/// Encrypts `bytes` in place; the tag is added to them.
fn encrypt(key: &Key, nonce: [u8; 12], context: &[u8], bytes: &mut Vec<u8>) {
    let nonce = Nonce::assume_unique_for_key(nonce);
    let done = cipher(key).seal_in_place_append_tag(nonce, Aad::from(context), bytes);
    done.expect("so few bytes can always be encrypted");
}

fn decrypt<'b>(key: &Key, nonce: &str, context: &[u8], bytes: &'b mut [u8]) -> Result<&'b [u8], SealError> {
    let nonce = Nonce::try_assume_unique_for_key(&from_hex(nonce)?).map_err(|_| SealError::Damaged)?;
    let plain = cipher(key).open_in_place(nonce, Aad::from(context), bytes);
    plain.map(|plain| &*plain).map_err(|_| SealError::Damaged)
}

/// Random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the system has random numbers");
    bytes
}

/// The values as lengths and bytes: no text format, whose reader would leave copies in memory.
fn pack(values: &Values) -> Zeroizing<Vec<u8>> {
    let parts = || values.iter().flat_map(|(name, value)| [name.as_bytes(), value.expose().as_bytes()]);
    // Room for the tag, too: a vector that grows leaves a copy behind.
    let room = parts().map(|part| part.len() + 4).sum::<usize>() + CHACHA20_POLY1305.tag_len();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    for part in parts() {
        let len = u32::try_from(part.len()).expect("a secret is shorter than 4 GiB");
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

fn unpack(mut bytes: &[u8]) -> Option<Values> {
    let mut values = Values::new();
    while !bytes.is_empty() {
        let name = take(&mut bytes)?;
        values.insert(name.to_owned(), take(&mut bytes)?.into());
    }
    Some(values)
}

fn take<'b>(bytes: &mut &'b [u8]) -> Option<&'b str> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *bytes = rest;
    std::str::from_utf8(part).ok()
}

pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn from_hex(text: &str) -> Result<Vec<u8>, SealError> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2).map(|pair| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    pairs.collect::<Option<_>>().ok_or(SealError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Values {
        [("A", "one"), ("B", ""), ("LONG", &"x".repeat(5000)), ("Ü", "ü\n\0")]
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into()
    }

    fn key(byte: u8) -> Key {
        Secret::new([byte; 32])
    }

    /// Opens and reads, as one step.
    fn read(file: &[u8], opener: &Opener<'_>) -> Result<Values, SealError> {
        let sealed = parse(file)?;
        sealed.values(&sealed.open(opener)?)
    }

    #[test]
    fn what_was_sealed_is_opened() {
        let key = key(1);
        let opened = Opened::fresh(Holder::KeyFile, &Opener::Key(&key)).unwrap();
        for values in [sample(), Values::new()] {
            let file = opened.seal(&values);
            assert_eq!(read(&file, &Opener::Key(&key)), Ok(values));
            assert_eq!(parse(&file).unwrap().holder(), Holder::KeyFile);
        }
        assert_ne!(opened.seal(&sample()), opened.seal(&sample()), "never twice the same nonce");
        let phrase: Secret<String> = "correct horse".into();
        let file = Opened::fresh(Holder::Passphrase, &Opener::Phrase(&phrase)).unwrap().seal(&sample());
        assert_eq!(read(&file, &Opener::Phrase(&phrase)), Ok(sample()));
        assert_eq!(read(&file, &Opener::Phrase(&"another".into())), Err(SealError::WrongKey));
        let file = String::from_utf8_lossy(&file);
        assert!(file.contains(r#""argon2id":{"work":{"memory_kib":65536,"passes":8},"salt":"#), "{file}");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let key = key(1);
        let values = Values::from([("A".to_owned(), "one".into())]);
        let file = Opened::fresh(Holder::KeyFile, &Opener::Key(&key)).unwrap().seal(&values);
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut damaged = file.clone();
                damaged[at] ^= 1 << bit;
                assert!(read(&damaged, &Opener::Key(&key)).is_err(), "bit {bit} of byte {at}");
                // Also where the checksum was made right again: authentication, not the checksum, protects.
                let kept = file.len() - DIGEST_LEN;
                let sum = digest(&SHA256, &damaged[..kept]);
                damaged[kept..].copy_from_slice(sum.as_ref());
                assert!(
                    at >= kept || read(&damaged, &Opener::Key(&key)).is_err(),
                    "bit {bit} of byte {at}, summed"
                );
            }
            assert!(read(&file[..at], &Opener::Key(&key)).is_err(), "cut to {at}");
        }
    }

    #[test]
    fn each_trouble_has_its_name() {
        let right = key(1);
        let file = Opened::fresh(Holder::KeyFile, &Opener::Key(&right)).unwrap().seal(&sample());
        let newer = [br#"{"loom-secrets":2,"#, &file[18..]].concat();
        let flipped: Vec<u8> = file.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 300)).collect();
        for (bytes, byte, want) in [
            (&b""[..], 1, SealError::Foreign),
            (&b"{}"[..], 1, SealError::Foreign),
            (&newer[..], 1, SealError::Newer(2)),
            (&flipped[..], 1, SealError::Damaged),
            (&file[..file.len() - 1], 1, SealError::Damaged),
            (&file[..60], 1, SealError::Damaged),
            (&file[..], 2, SealError::WrongKey),
        ] {
            assert_eq!(read(bytes, &Opener::Key(&key(byte))).unwrap_err(), want);
        }
    }

    #[test]
    fn hex_is_read_back() {
        assert_eq!(from_hex(&to_hex(&[0, 1, 0xab, 0xff])), Ok(vec![0, 1, 0xab, 0xff]));
        assert_eq!(from_hex("abc"), Err(SealError::Damaged));
        assert_eq!(from_hex("zz"), Err(SealError::Damaged));
    }
}
