import Foundation
import Geo
import TestRandom
import Testing
import Topology

@testable import GeoDatabase

/// A database of some ranges and records that share pieces.
private func example(_ recordBits: Int) throws -> [UInt8] {
  var random = Generator(seed: 5)
  var writer = DatabaseWriter(recordBits: recordBits)
  for number in 0..<40 {
    let record = Value.city(
      .random(in: -90...90, using: &random), .random(in: -180...180, using: &random), ["EU", "AS", "NA"][number % 3],
      ["FR", "JP", "US"][number % 3], number % 5 == 0 ? ["ENG", "LND"] : [])
    writer.entries.append(("\(number + 1).\(number).0.0/16", record))
    writer.entries.append(("2001:db8:\(number)::/48", record))
  }
  return try writer.file()
}

/// Opens a file and, if that works, asks it everything.
private func exercise(_ path: String) -> Bool {
  guard let database = try? GeoDatabase(path: path) else { return false }
  var random = Generator(seed: 6)
  for number in 0..<40 {
    let low = 0xFFFF_0000_0000 | UInt64(UInt32.random(in: 0...0x2FFF_FFFF, using: &random))
    _ = try? database.place(high: 0, low: low)
    _ = try? database.place(high: 0x2001_0db8_0000_0000 | UInt64(number) << 16, low: 1)
  }
  var text: [UInt8] = []
  for record in database.records.prefix(20) {
    try? database.appendJSON(of: record, to: &text)
    _ = try? database.text(of: record, ["city", "names", "en"])
    text.removeAll()
  }
  return true
}

@Suite struct BrokenFileTests {
  @Test(arguments: [24, 28, 32]) func aFileCutShortAtEveryThousandthIsAnError(recordBits: Int) throws {
    let whole = try example(recordBits)
    let folder = try Folder()
    for thousandth in 0..<1000 {
      try folder.overwrite("db", Array(whole.prefix(whole.count * thousandth / 1000)))
      // The last bytes are a description that nobody needs; then the file may still work.
      if exercise(folder.path("db")) { #expect(thousandth > 990) }
    }
    #expect(
      try {
        try folder.overwrite("db", whole); return exercise(folder.path("db"))
      }())
  }

  @Test(arguments: 0..<10) func aChangedByteIsAnErrorOrARecordNeverACrash(seed: UInt64) throws {
    var random = Generator(seed: seed)
    let whole = try example([24, 28, 32][Int(seed) % 3])
    // Half of the changes hit the last 400 bytes: the metadata.
    let folder = try Folder()
    var opened = 0
    for turn in 0..<1000 {
      var broken = whole
      let from = turn % 2 == 0 ? 0 : whole.count - 400
      broken[Int.random(in: from..<whole.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
      try folder.overwrite("db", broken)
      if exercise(folder.path("db")) { opened += 1 }
    }
    #expect(opened > 0 && opened < 1000)
  }

  @Test func filesOfOtherKindsAreNamed() throws {
    let folder = try Folder()
    #expect(throws: GeoDatabaseError.unreadable(path: "/nowhere/db", reason: "No such file or directory")) {
      try GeoDatabase(path: "/nowhere/db")
    }
    #expect(throws: GeoDatabaseError.notAFile(path: folder.url.path)) { try GeoDatabase(path: folder.url.path) }
    #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
    #expect(throws: GeoDatabaseError.notAFile(path: folder.path("pipe"))) { try GeoDatabase(path: folder.path("pipe")) }
    for text in ["", "a text", String(repeating: "text", count: 100_000)] {
      try folder.replace("text", Array(text.utf8))
      #expect(throws: GeoDatabaseError.notADatabase(path: folder.path("text"))) {
        try GeoDatabase(path: folder.path("text"))
      }
    }
  }

  @Test func dataThatContainsItselfOrIsNestedTooDeepIsRefused() throws {
    let folder = try Folder()
    func opens(_ data: [UInt8]) throws -> Bool {
      let good = try DatabaseWriter(recordBits: 24, entries: [("1.0.0.0/8", "abcdefgh")]).file()
      // The record is a text of eight bytes behind its control byte; the data given takes its place.
      let at = try #require(good.indices.first { good[$0...].starts(with: [0x48] + Array("abcdefgh".utf8)) })
      try folder.replace("db", Array(good[..<at]) + data + Array(good[(at + 9)...]))
      return (try? GeoDatabase(path: folder.path("db"))) != nil
    }
    #expect(try opens([0x48] + Array("abcdefgh".utf8)))
    // A list of one element, a pointer to the list.
    #expect(try !opens([0x01, 0x04, 0x20, 0x00]))
    // A pointer to itself.
    #expect(try !opens([0x20, 0x00]))
    // A hundred thousand lists in each other.
    #expect(try !opens((0..<100_000).flatMap { _ in [0x01, 0x04] as [UInt8] } + [0x40]))
    // Fifty pairs, each of two pointers to the next: 2^50 values for one who counts them all. It is well formed.
    let pairs = (1...50).flatMap { next -> [UInt8] in
      let pointer = [0x20 | UInt8((6 * next) >> 8), UInt8((6 * next) & 255)]
      return [0x02, 0x04] + pointer + pointer
    }
    #expect(try opens(pairs + [0x40]))
    let database = try GeoDatabase(path: folder.path("db"))
    var text: [UInt8] = []
    #expect(throws: GeoDatabaseError.self) { try database.appendJSON(of: database.records[0], to: &text) }
    #expect(try database.place(of: database.records[0]) == ClientPlace())
  }

  @Test func metadataThatContainsItselfIsRefused() throws {
    let folder = try Folder()
    let good = try DatabaseWriter(entries: [("1.0.0.0/8", "x")]).file()
    let marker = Array("MaxMind.com".utf8)
    let end = try #require(good.indices.last { good[$0...].starts(with: marker) }) + marker.count
    // {"languages": [pointer to the map, twice]}
    let metadata = [0xE1, 0x49] + Array("languages".utf8) + [0x02, 0x04, 0x20, 0x00, 0x20, 0x00]
    try folder.replace("db", Array(good[..<end]) + metadata)
    #expect(throws: GeoDatabaseError.self) { try GeoDatabase(path: folder.path("db")) }
  }
}
