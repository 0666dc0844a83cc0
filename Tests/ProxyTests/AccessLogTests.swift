import CReactor
import Foundation
import Glibc
import Testing

@testable import Proxy

/// Lines on their way to a descriptor that does not take them.
@Suite("Access log")
struct AccessLogTests {
  private static func hand(_ lines: [String], to log: AccessLog) -> Bool {
    let text = lines.map { $0 + "\n" }.joined()
    let memory = log.takeMemory()
    var text8 = Array(text.utf8)
    memory.copyMemory(from: &text8, byteCount: text8.count)
    return log.hand(memory, count: text8.count)
  }

  private static func wait(_ condition: () -> Bool) -> Bool {
    let limit = cr_monotonic() + 20_000_000_000
    while !condition() {
      if cr_monotonic() > limit { return false }
      cr_pause(1)
    }
    return true
  }

  @Test func `A descriptor that does not block loses no line of a slow reader, and cuts none short`() throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    for end in ends { #expect(fcntl(end, F_SETFL, O_NONBLOCK) == 0) }
    defer { close(ends[0]) }
    let log = try #require(AccessLog(descriptor: ends[1]))
    // Far more than a pipe holds.
    let lines = (0..<3_000).map { "line \($0) " + String(repeating: "x", count: 60) }
    for part in 0..<3 { #expect(Self.hand(Array(lines[part * 1_000..<(part + 1) * 1_000]), to: log)) }
    var read: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 10_000)
    let wanted = lines.reduce(0) { $0 + $1.utf8.count + 1 }
    #expect(
      Self.wait {
        let count = Glibc.read(ends[0], &piece, piece.count)
        if count > 0 { read += piece[..<count] }
        return read.count >= wanted
      })
    #expect(String(decoding: read, as: UTF8.self) == lines.map { $0 + "\n" }.joined())
    #expect(log.takeLost() == 0)
    log.close()
    close(ends[1])
  }

  @Test func `Lines that cannot be written are counted`() throws {
    let full = open("/dev/full", O_WRONLY)
    try #require(full >= 0)
    let log = try #require(AccessLog(descriptor: full))
    #expect(Self.hand(["one", "two", "three"], to: log))
    var lost = 0
    #expect(
      Self.wait {
        lost += log.takeLost()
        return lost == 3
      })
    log.close()
    close(full)
  }

  @Test func `A line that was cut short is no part of the next one`() throws {
    signal(SIGPIPE, SIG_IGN)
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("log-\(getpid())-\(cr_monotonic())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("fifo").path
    try #require(mkfifo(path, 0o600) == 0)
    let first = open(path, O_RDONLY | O_NONBLOCK)
    let end = open(path, O_WRONLY)
    try #require(first >= 0 && end >= 0)
    let log = try #require(AccessLog(descriptor: end))
    // More than it holds: the reader goes while the rest waits.
    #expect(Self.hand((0..<8_000).map { "line \($0) " + String(repeating: "x", count: 20) }, to: log))
    var piece = [UInt8](repeating: 0, count: 100_001)
    #expect(Self.wait { Glibc.read(first, &piece, 10_001) > 0 })
    close(first)
    var lost = 0
    #expect(
      Self.wait {
        lost += log.takeLost()
        return lost > 0
      })
    #expect(lost < 8_000)
    // What the pipe held is there still.
    let second = open(path, O_RDONLY | O_NONBLOCK)
    #expect(Self.hand(["whole"], to: log))
    var read = ""
    #expect(
      Self.wait {
        let count = Glibc.read(second, &piece, piece.count)
        if count > 0 { read += String(decoding: piece[..<count], as: UTF8.self) }
        return read.hasSuffix("whole\n")
      })
    let lines = read.split(separator: "\n", omittingEmptySubsequences: false)
    let last = try #require(lines.dropLast(2).last)
    #expect(!last.contains("whole"))
    #expect(lines.dropLast().last == "whole")
    log.close()
    close(second)
    close(end)
  }
}
