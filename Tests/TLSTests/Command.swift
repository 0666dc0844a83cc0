import CReactor
import Foundation
import Glibc

/// The command `openssl`, at work on a port of loopback.
final class OpenSSLCommand {
  static let path = "/usr/bin/openssl"
  static var isThere: Bool { access(path, X_OK) == 0 }

  private let process = Process()
  private let said = Pipe()
  private let input = Pipe()
  private var text = ""

  init(_ arguments: [String]) throws {
    process.executableURL = URL(fileURLWithPath: Self.path)
    process.arguments = arguments
    process.standardInput = input
    process.standardOutput = said
    process.standardError = said
    try process.run()
  }

  deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

  /// What it has said up to a word; nil: it ended or ten seconds passed before it said that.
  func output(upTo word: String) -> String? {
    let descriptor = said.fileHandleForReading.fileDescriptor
    var bytes = [UInt8](repeating: 0, count: 4_096)
    for _ in 0..<100 where !text.contains(word) {
      var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard Glibc.poll(&poll, 1, 100) > 0 else { continue }
      let count = read(descriptor, &bytes, bytes.count)
      if count <= 0 { break }
      text += String(decoding: bytes[0..<count], as: UTF8.self)
    }
    return text.contains(word) ? text : nil
  }

  /// Everything it says until it ends.
  func end() -> String {
    try? input.fileHandleForWriting.close()
    text += String(decoding: (try? said.fileHandleForReading.readToEnd()) ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    return text
  }

  func type(_ line: String) { input.fileHandleForWriting.write(Data(line.utf8)) }
}

/// Sockets of loopback, which do not wait.
enum Loopback {
  /// A listening socket on a port that was free.
  static func listen() -> (descriptor: Int32, port: Int) {
    let descriptor = socket(AF_INET, CR_STREAM, 0)
    _ = withAddress(port: 0) { bind(descriptor, $0, $1) }
    Glibc.listen(descriptor, 16)
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
  }

  /// Nil: nobody came within ten seconds.
  static func accept(_ listener: Int32) -> Int32? {
    var poll = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
    guard Glibc.poll(&poll, 1, 10_000) > 0 else { return nil }
    let descriptor = Glibc.accept(listener, nil, nil)
    guard descriptor >= 0 else { return nil }
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    return descriptor
  }

  static func connect(port: Int) -> Int32? {
    let descriptor = socket(AF_INET, CR_STREAM, 0)
    guard withAddress(port: port, { Glibc.connect(descriptor, $0, $1) }) == 0 else {
      close(descriptor)
      return nil
    }
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    return descriptor
  }

  /// Repeats an operation until it no longer waits for the other side; ten seconds at most.
  static func settled(_ descriptor: Int32, _ operation: () -> Int) -> Int {
    var result = operation()
    for _ in 0..<100 where result == -Int(EAGAIN) {
      var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      _ = Glibc.poll(&poll, 1, 100)
      result = operation()
    }
    return result
  }

  private static func withAddress(port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }
}
