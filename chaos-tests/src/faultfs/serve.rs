//! Between the kernel and the disk: one method per request. Decides nothing but which errno an answer is.
//!
//! Must not touch the folder it is mounted on, or it would wait for itself.

use super::content::Content;
use super::control::Shared;
use super::disk::{Disk, Kind, Refusal};
use super::faults::{Faults, Work};
use super::limits::{CLAIMED_BYTES, FILE_BYTES_MAX, PAGE_BYTES};
use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags,
    RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs,
    ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The kernel asks again each time: a power loss changes everything at once.
const TTL: Duration = Duration::ZERO;
const GENERATION: Generation = Generation(0);

/// What the kernel talks to.
pub(super) struct Serve {
    pub(super) shared: Arc<Shared>,
    pub(super) owner: (u32, u32),
}

type Answer<T> = Result<T, Errno>;

impl Serve {
    /// Takes the time it takes, then does the work unless a fault forbids it.
    fn work<T>(&self, work: Work, act: impl FnOnce(&mut Disk, &Faults) -> Answer<T>) -> Answer<T> {
        let delay = self.shared.faults().delay(work);
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        self.shared.with(|state| {
            let faults = state.faults;
            if faults.off {
                return Err(Errno::EIO);
            }
            if faults.read_only && work == Work::Write {
                return Err(Errno::EROFS);
            }
            state.count(work);
            act(&mut state.disk, &faults)
        })
    }

    fn attributes(&self, disk: &Disk, number: u64) -> Answer<FileAttr> {
        let node = disk.node(number).map_err(errno)?;
        let (kind, size, nlink) = match &node.kind {
            Kind::File(content) => (FileType::RegularFile, content.live().len() as u64, 1),
            Kind::Folder(_) => (FileType::Directory, 0, 2),
            Kind::Socket => (FileType::Socket, 0, 1),
        };
        Ok(FileAttr {
            ino: INodeNo(number),
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm: node.mode,
            nlink,
            uid: self.owner.0,
            gid: self.owner.1,
            rdev: 0,
            blksize: u32::try_from(PAGE_BYTES).unwrap_or(512),
            flags: 0,
        })
    }

    fn make(&self, parent: INodeNo, name: &OsStr, kind: Kind, mode: u32) -> Answer<FileAttr> {
        self.work(Work::Write, |disk, faults| {
            room_for(disk, faults, 1)?;
            let mode = u16::try_from(mode & 0o7777).unwrap_or(0o600);
            let number = disk.create(parent.0, name, kind, mode).map_err(errno)?;
            self.attributes(disk, number)
        })
    }

    fn sync(&self, act: impl FnOnce(&mut Disk, &Faults) -> Answer<()>) -> Answer<()> {
        self.work(Work::Sync, |disk, faults| {
            act(disk, faults)?;
            if faults.fail_sync { Err(Errno::EIO) } else { Ok(()) }
        })
    }
}

fn sync_file(disk: &mut Disk, faults: &Faults, number: u64) -> Answer<()> {
    let content = disk.file(number).map_err(errno)?;
    if faults.fail_sync {
        content.fail_sync();
        return Err(Errno::EIO);
    }
    if faults.read_only && content.pending() > 0 {
        return Err(Errno::EROFS);
    }
    content.sync();
    Ok(())
}

fn room_for(disk: &Disk, faults: &Faults, more: u64) -> Answer<()> {
    match faults.capacity {
        Some(capacity) if disk.used_bytes().saturating_add(more) > capacity => Err(Errno::ENOSPC),
        Some(_) | None => Ok(()),
    }
}

fn place(offset: u64, length: usize) -> Answer<usize> {
    let end = offset.checked_add(length as u64).filter(|end| *end <= FILE_BYTES_MAX);
    end.ok_or(Errno::EFBIG)?;
    usize::try_from(offset).map_err(|_| Errno::EFBIG)
}

fn errno(refusal: Refusal) -> Errno {
    match refusal {
        Refusal::Missing => Errno::ENOENT,
        Refusal::Exists => Errno::EEXIST,
        Refusal::NotFolder => Errno::ENOTDIR,
        Refusal::IsFolder => Errno::EISDIR,
        Refusal::NotEmpty => Errno::ENOTEMPTY,
        Refusal::Stale => Errno::ESTALE,
    }
}

/// Answers with the value, or with the error.
macro_rules! answer {
    ($reply:ident, $result:expr, $value:pat => $done:expr) => {
        match $result {
            Ok($value) => $done,
            Err(error) => $reply.error(error),
        }
    };
}

impl Filesystem for Serve {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.work(Work::Read, |disk, _| {
            let number = disk.lookup(parent.0, name).map_err(errno)?;
            self.attributes(disk, number)
        });
        answer!(reply, found, found => reply.entry(&TTL, &found, GENERATION));
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let found = self.work(Work::Read, |disk, _| self.attributes(disk, number.0));
        answer!(reply, found, found => reply.attr(&TTL, &found));
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let set = self.work(Work::Write, |disk, faults| {
            if let Some(mode) = mode {
                let mode = u16::try_from(mode & 0o7777).unwrap_or(0o600);
                disk.set_mode(number.0, mode).map_err(errno)?;
            }
            if let Some(size) = size {
                let length = place(size, 0)?;
                let now = disk.file(number.0).map_err(errno)?.live().len();
                room_for(disk, faults, length.saturating_sub(now) as u64)?;
                disk.file(number.0).map_err(errno)?.set_length(length);
            }
            self.attributes(disk, number.0)
        });
        answer!(reply, set, set => reply.attr(&TTL, &set));
    }

    fn mknod(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, _: u32, reply: ReplyEntry) {
        let kind = match mode & libc::S_IFMT {
            libc::S_IFREG => Kind::File(Content::default()),
            libc::S_IFSOCK => Kind::Socket,
            _ => return reply.error(Errno::EPERM),
        };
        let made = self.make(parent, name, kind, mode & !umask);
        answer!(reply, made, made => reply.entry(&TTL, &made, GENERATION));
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let made = self.make(parent, name, Kind::Folder(BTreeMap::new()), mode & !umask);
        answer!(reply, made, made => reply.entry(&TTL, &made, GENERATION));
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, _: i32, reply: ReplyCreate) {
        let made = self.make(parent, name, Kind::File(Content::default()), mode & !umask);
        let opened = made.and_then(|made| {
            self.shared
                .with(|state| state.disk.open(made.ino.0))
                .map_err(errno)
                .map(|()| made)
        });
        answer!(reply, opened, made => reply.created(&TTL, &made, GENERATION, FileHandle(0), FopenFlags::empty()));
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self.work(Work::Write, |disk, _| disk.remove(parent.0, name, false).map_err(errno));
        answer!(reply, removed, () => reply.ok());
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self.work(Work::Write, |disk, _| disk.remove(parent.0, name, true).map_err(errno));
        answer!(reply, removed, () => reply.ok());
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if flags.contains(RenameFlags::RENAME_EXCHANGE) {
            return reply.error(Errno::EINVAL);
        }
        let replace = !flags.contains(RenameFlags::RENAME_NOREPLACE);
        let renamed = self.work(Work::Write, |disk, _| {
            disk.rename((parent.0, name), (new_parent.0, new_name), replace)
                .map_err(errno)
        });
        answer!(reply, renamed, () => reply.ok());
    }

    fn open(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Without KEEP_CACHE the kernel forgets what it had cached of the file.
        let opened = self.work(Work::Read, |disk, _| disk.open(number.0).map_err(errno));
        answer!(reply, opened, () => reply.opened(FileHandle(0), FopenFlags::empty()));
    }

    fn release(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.shared.with(|state| state.disk.close(number.0));
        reply.ok();
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let length = usize::try_from(size).unwrap_or(0);
        let bytes = self.work(Work::Read, |disk, _| {
            let at = place(offset, 0)?;
            Ok(disk.file(number.0).map_err(errno)?.read(at, length).to_vec())
        });
        answer!(reply, bytes, bytes => reply.data(&bytes));
    }

    fn write(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = self.work(Work::Write, |disk, faults| {
            let at = place(offset, data.len())?;
            let now = disk.file(number.0).map_err(errno)?.live().len();
            room_for(disk, faults, (at + data.len()).saturating_sub(now) as u64)?;
            disk.file(number.0).map_err(errno)?.write(at, data);
            Ok(())
        });
        let synced = written.and_then(|()| {
            let at_once = flags.0 & (libc::O_DSYNC | libc::O_SYNC) != 0;
            if at_once {
                self.sync(|disk, faults| sync_file(disk, faults, number.0))
            } else {
                Ok(())
            }
        });
        answer!(reply, synced, () => reply.written(u32::try_from(data.len()).unwrap_or(0)));
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Sent by close(2), which promises nothing.
        reply.ok();
    }

    fn fsync(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let synced = self.sync(|disk, faults| sync_file(disk, faults, number.0));
        answer!(reply, synced, () => reply.ok());
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let synced = self.sync(|disk, faults| {
            if !faults.fail_sync {
                disk.sync_folder(number.0);
            }
            Ok(())
        });
        answer!(reply, synced, () => reply.ok());
    }

    fn readdir(&self, _: &Request, number: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let listed = self.work(Work::Read, |disk, _| {
            let mut entries = vec![(number.0, FileType::Directory, OsStr::new(".").to_owned())];
            entries.push((number.0, FileType::Directory, OsStr::new("..").to_owned()));
            for (name, child) in disk.names(number.0).map_err(errno)? {
                let kind = match disk.node(*child).map_err(errno)?.kind {
                    Kind::File(_) => FileType::RegularFile,
                    Kind::Folder(_) => FileType::Directory,
                    Kind::Socket => FileType::Socket,
                };
                entries.push((*child, kind, name.clone()));
            }
            Ok(entries)
        });
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
        answer!(reply, listed, entries => {
            for ((child, kind, name), next) in entries.into_iter().zip(1..).skip(skipped) {
                if reply.add(INodeNo(child), next, kind, &name) {
                    break;
                }
            }
            reply.ok();
        });
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let (total, used) = self
            .shared
            .with(|state| (state.faults.capacity.unwrap_or(CLAIMED_BYTES), state.disk.used_bytes()));
        let page = PAGE_BYTES as u64;
        let (blocks, free) = (total / page, total.saturating_sub(used) / page);
        let size = u32::try_from(PAGE_BYTES).unwrap_or(512);
        reply.statfs(blocks, free, free, 1 << 20, 1 << 20, size, 255, size);
    }
}
