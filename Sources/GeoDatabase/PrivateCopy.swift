internal import CMaxMindDB
internal import Glibc

/// A copy of a file in memory that nobody can change any more: whoever overwrites or truncates the file does nothing to it.
///
/// (libmaxminddb maps the file it opens. When such a file is cut short in place, touching the lost pages is a SIGBUS; when it
/// is overwritten, look-ups read half of one database and half of another.)
struct PrivateCopy: ~Copyable {
  /// The sealed file in memory.
  private let memory: Descriptor
  /// Its length.
  let count: Int
  /// What the file was like when it was read.
  let stamp: FileStamp

  /// Copies a file.
  init(of path: String) throws(GeoDatabaseError) {
    // Opening a pipe must not wait for its other end.
    let file = Descriptor(number: open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK))
    guard file.number >= 0 else { throw .unreadable(path: path, reason: reason(errno)) }
    let before = try FileStamp(descriptor: file.number, path: path)
    guard before.isRegular else { throw .notAFile(path: path) }
    guard before.bytes <= GeoDatabase.fileBytesMax else { throw .tooLarge(path: path, bytes: before.bytes) }
    let memory = Descriptor(number: cmm_memory_file())
    guard memory.number >= 0 else { throw .noMemory(reason: reason(-memory.number)) }
    let count = try transfer(from: file.number, to: memory.number, path: path)
    let after = try FileStamp(descriptor: file.number, path: path)
    guard after == before, count == before.bytes else { throw .changing(path: path) }
    let sealed = cmm_seal(memory.number)
    guard sealed == 0 else { throw .noMemory(reason: reason(-sealed)) }
    self.memory = memory
    self.count = count
    stamp = before
  }

  /// The path by which this thread, and no other, can open the copy: threads may have descriptor tables of their own.
  var path: String { "/proc/thread-self/fd/\(memory.number)" }

  /// Gives the bytes to a closure.
  func withBytes<Result>(
    _ body: (UnsafeRawBufferPointer) throws(GeoDatabaseError) -> Result
  ) throws(GeoDatabaseError) -> Result {
    guard count > 0 else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
    let mapped = mmap(nil, count, PROT_READ, MAP_PRIVATE, memory.number, 0)
    guard let mapped, mapped != MAP_FAILED else { throw .noMemory(reason: reason(errno)) }
    defer { munmap(mapped, count) }
    return try body(UnsafeRawBufferPointer(start: mapped, count: count))
  }
}

/// A descriptor that is closed with its owner.
private struct Descriptor: ~Copyable {
  /// Negative: there is none.
  let number: Int32

  init(number: Int32) { self.number = number }

  deinit {
    if number >= 0 { close(number) }
  }
}

/// What tells one state of a file from another.
struct FileStamp: Equatable {
  var device: UInt64
  var inode: UInt64
  var bytes: Int
  var isRegular: Bool
  var modified: Int
  var changed: Int

  init(path: String) throws(GeoDatabaseError) {
    var found = stat()
    guard stat(path, &found) == 0 else { throw .unreadable(path: path, reason: reason(errno)) }
    self.init(found)
  }

  init(descriptor: Int32, path: String) throws(GeoDatabaseError) {
    var found = stat()
    guard fstat(descriptor, &found) == 0 else { throw .unreadable(path: path, reason: reason(errno)) }
    self.init(found)
  }

  private init(_ found: stat) {
    device = UInt64(found.st_dev)
    inode = UInt64(found.st_ino)
    bytes = Int(found.st_size)
    isRegular = found.st_mode & S_IFMT == S_IFREG
    modified = Int(found.st_mtim.tv_sec) * 1_000_000_000 + Int(found.st_mtim.tv_nsec)
    changed = Int(found.st_ctim.tv_sec) * 1_000_000_000 + Int(found.st_ctim.tv_nsec)
  }

  /// Whether both are states of one file, not of two files of one name.
  func isSameFile(as other: FileStamp) -> Bool { device == other.device && inode == other.inode }
}

/// What the system says of an error.
func reason(_ code: Int32) -> String { String(cString: strerror(code)) }

/// Copies all bytes; returns how many.
private func transfer(from file: Int32, to memory: Int32, path: String) throws(GeoDatabaseError) -> Int {
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
  defer { buffer.deallocate() }
  var total = 0
  while true {
    let got = read(file, buffer.baseAddress, buffer.count)
    if got < 0, errno == EINTR { continue }
    guard got >= 0 else { throw .unreadable(path: path, reason: reason(errno)) }
    if got == 0 { return total }
    total += got
    guard total <= GeoDatabase.fileBytesMax else { throw .tooLarge(path: path, bytes: total) }
    var written = 0
    while written < got {
      let put = write(memory, buffer.baseAddress! + written, got - written)
      if put < 0, errno == EINTR { continue }
      guard put > 0 else { throw .noMemory(reason: reason(errno)) }
      written += put
    }
  }
}
