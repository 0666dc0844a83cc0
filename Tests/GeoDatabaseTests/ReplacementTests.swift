import Foundation
import Geo
import Synchronization
import TestRandom
import Testing
import Topology

@testable import GeoDatabase

/// A database in which every address of 1.0.0.0/8 is in one of two cities, all in the same.
private func uniform(_ record: Value) throws -> [UInt8] {
  var writer = DatabaseWriter()
  for octet in 0..<256 { writer.entries.append(("1.\(octet).0.0/16", record)) }
  return try writer.file()
}

private let sites = [(51.5, 0.0), (35.7, 139.7)].enumerated().map { number, place -> Site in
  var site = Site(id: number, name: "S\(number)")
  site.place = Location(latitude: place.0, longitude: place.1)
  return site
}

private func isReplaced(_ outcome: WatchedDatabase.Outcome) -> Bool {
  if case .replaced = outcome { true } else { false }
}
private func isRefused(_ outcome: WatchedDatabase.Outcome) -> Bool {
  if case .refused = outcome { true } else { false }
}
private func isUnchanged(_ outcome: WatchedDatabase.Outcome) -> Bool {
  if case .unchanged = outcome { true } else { false }
}
private func isSettling(_ outcome: WatchedDatabase.Outcome) -> Bool {
  if case .settling = outcome { true } else { false }
}

private func country(_ watched: WatchedDatabase) throws -> String? {
  let (high, low) = try address("1.1.1.1")
  return try watched.current?.place(high: high, low: low)?.country?.description
}

@Suite struct ReplacementTests {
  @Test func aFileRenamedIntoPlaceIsTakenAtOnce() throws {
    let folder = try Folder()
    let watched = WatchedDatabase(path: folder.path("db"))
    #expect(isRefused(watched.check()) && isUnchanged(watched.check()))
    try folder.replace("db", try uniform(london))
    #expect(isReplaced(watched.check()) && isUnchanged(watched.check()))
    try folder.replace("db", try uniform(tokyo))
    #expect(try country(watched) == "GB")
    #expect(isReplaced(watched.check()))
    #expect(try country(watched) == "JP")
  }

  @Test func aLookUpTakesNoLock() throws {
    let folder = try Folder()
    try folder.replace("db", try uniform(tokyo))
    let source = ClientSitesSource(SitePreference(sites: sites, geo: GeoSettings()), path: folder.path("db"))
    #expect(isReplaced(source.check()))
    var reader = ClientSitesReader(source)
    let (high, low) = try address("1.1.1.1")
    // Who locks it a second time on a thread stops the program.
    let list = source.published.withLock { _ in reader.list(high: high, low: low) }
    #expect(reader.current.compiled.lists.sites(of: list) == [1, 0])
  }

  @Test func aBrokenFileIsRefusedOnceAndTheOldOneStays() throws {
    let folder = try Folder()
    try folder.replace("db", try uniform(london))
    let watched = WatchedDatabase(path: folder.path("db"))
    #expect(isReplaced(watched.check()))
    try folder.replace("db", Array(try uniform(tokyo).dropLast(500)))
    #expect(isRefused(watched.check()) && isUnchanged(watched.check()) && isRefused(watched.reload()))
    #expect(try country(watched) == "GB")
    try FileManager.default.removeItem(atPath: folder.path("db"))
    #expect(isRefused(watched.check()) && isUnchanged(watched.check()))
    #expect(try country(watched) == "GB")
    try folder.replace("db", try uniform(tokyo))
    #expect(isReplaced(watched.check()))
    #expect(try country(watched) == "JP")
  }

  @Test func aFileWrittenInPlaceIsTakenWhenItHasSettled() throws {
    let folder = try Folder()
    try folder.replace("db", try uniform(london))
    let watched = WatchedDatabase(path: folder.path("db"))
    #expect(isReplaced(watched.check()))
    let new = try uniform(tokyo)
    try folder.overwrite("db", Array(new.prefix(1000)))
    #expect(isSettling(watched.check()))
    try folder.overwrite("db", new + [0])
    #expect(isSettling(watched.check()))
    #expect(try country(watched) == "GB")
    #expect(isReplaced(watched.check()))
    #expect(try country(watched) == "JP")
    #expect(isUnchanged(watched.check()))
    #expect(isReplaced(watched.reload()))
  }

  /// With the file mapped, the first look-up after it was cut short would be a SIGBUS.
  @Test func theFileOverwrittenAndCutShortInPlaceChangesNoAnswer() throws {
    let folder = try Folder()
    let whole = try uniform(london)
    try folder.replace("db", whole)
    let database = try GeoDatabase(path: folder.path("db"))
    func check() throws {
      for octet in 0..<256 {
        let (high, low) = try address("1.\(octet).2.3")
        #expect(try database.place(high: high, low: low)?.country == RegionCode("GB"))
      }
    }
    for damage in [[], Array(whole.prefix(100)), [UInt8](repeating: 0xFF, count: whole.count), try uniform(tokyo)] {
      try folder.overwrite("db", damage)
      try check()
    }
    #expect(truncate(folder.path("db"), 0) == 0)
    try check()
    try FileManager.default.removeItem(atPath: folder.path("db"))
    try check()
  }

  /// Four threads look up while the file is replaced a hundred times, by turns by renaming and in place, and with broken ones.
  @Test func fourThreadsNeverGetAWrongAnswerWhileTheFileIsReplaced() throws {
    let folder = try Folder()
    let versions = [try uniform(london), try uniform(tokyo)]
    try folder.replace("db", versions[0])
    let source = ClientSitesSource(SitePreference(sites: sites, geo: GeoSettings()), path: folder.path("db"))
    #expect(isReplaced(source.check()))
    let crowd = Crowd()
    let ended = DispatchSemaphore(value: 0)
    for number in 0..<4 {
      Thread {
        crowd.lookUp(source, seed: UInt64(number))
        ended.signal()
      }.start()
    }
    for turn in 1...100 {
      let next = versions[turn % 2]
      if turn % 10 == 5 {
        try folder.replace("db", Array(next.dropLast(700)))
        #expect(isRefused(source.check()))
      }
      let before = crowd.lookups.load(ordering: .relaxed)
      if turn % 3 == 0 {
        try folder.overwrite("db", next)
        #expect(isReplaced(source.reload()))
      } else {
        try folder.replace("db", next)
        #expect(isReplaced(source.check()))
      }
      // Each version is asked.
      while crowd.lookups.load(ordering: .relaxed) < before + 100 { sched_yield() }
    }
    crowd.done.store(true, ordering: .relaxed)
    for _ in 0..<4 { ended.wait() }
    #expect(crowd.wrong.load(ordering: .relaxed) == 0)
    #expect(crowd.changes.load(ordering: .relaxed) >= 100)
  }
}

/// Threads that look up until they are told to stop.
private final class Crowd: Sendable {
  let done = Atomic(false)
  let lookups = Atomic(0)
  let wrong = Atomic(0)
  let changes = Atomic(0)

  func lookUp(_ source: ClientSitesSource, seed: UInt64) {
    var reader = ClientSitesReader(source)
    var random = Generator(seed: seed)
    var last = -1
    while !done.load(ordering: .relaxed) {
      let low = 0xFFFF_0100_0000 | UInt64(UInt32.random(in: 0...0x00FF_FFFF, using: &random))
      let list = reader.list(high: 0, low: low)
      let first = reader.current.compiled.lists.site(0, of: list)
      // The database that answered tells what is right.
      let place = try? reader.current.database?.place(high: 0, low: low)
      if place?.country != RegionCode(first == 0 ? "GB" : "JP") { wrong.add(1, ordering: .relaxed) }
      if first != last { changes.add(1, ordering: .relaxed) }
      last = first
      lookups.add(1, ordering: .relaxed)
    }
  }
}
