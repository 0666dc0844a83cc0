import Glibc

/// Finds the process that a node was handed over to (SIGUSR2): started by the one before with the same words.
enum Successor {
  /// A process with one of these parents and these words, other than those known. Nil: there is none.
  static func find(arguments: [String], parents: [pid_t], known: [pid_t]) -> pid_t? {
    guard let folder = opendir("/proc") else { return nil }
    defer { closedir(folder) }
    // The first word is the program's path, which may be written in another way.
    let wanted = Array(arguments.dropFirst())
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard let pid = pid_t(name), !known.contains(pid), let parent = starter(of: pid), parents.contains(parent),
        Array(words(of: pid).dropFirst()) == wanted
      else { continue }
      return pid
    }
    return nil
  }

  /// A process's parent; where that is a node's keeper (behind chroot), the keeper's. Nil: it has ended, or is a keeper itself.
  private static func starter(of pid: pid_t) -> pid_t? {
    guard !isKeeper(pid), let parent = parent(of: pid) else { return nil }
    guard isKeeper(parent) else { return parent }
    // A keeper ends with its node: then somebody else is the parent by now.
    return self.parent(of: parent) ?? self.parent(of: pid)
  }

  private static func isKeeper(_ pid: pid_t) -> Bool {
    contents(of: "/proc/\(pid)/comm") == Array("keeper\n".utf8)
  }

  private static func parent(of pid: pid_t) -> pid_t? {
    // The name in parentheses may hold anything: what counts stands behind the last one (proc(5)).
    let text = String(decoding: contents(of: "/proc/\(pid)/stat"), as: UTF8.self)
    guard let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    // An ended one that waits to be collected is none.
    guard fields.count > 1, fields[0] != "Z" else { return nil }
    return pid_t(fields[1])
  }

  private static func words(of pid: pid_t) -> [String] {
    contents(of: "/proc/\(pid)/cmdline").split(separator: 0, omittingEmptySubsequences: false).dropLast()
      .map { String(decoding: $0, as: UTF8.self) }
  }

  private static func contents(of path: String) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while case let count = read(descriptor, &piece, piece.count), count > 0, bytes.count < 1 << 20 {
      bytes += piece[..<count]
    }
    return bytes
  }
}
