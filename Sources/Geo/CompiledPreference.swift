internal import Topology

/// A preference with the answer to everything that can be asked, as numbers of lists: made once for a database, then only
/// read, by all threads at once.
public struct CompiledPreference: Sendable {
  /// The rules it was made from.
  public let preference: SitePreference
  /// The lists that occur, and those that occurred before.
  public private(set) var lists: SiteLists
  private var networkLists: [SiteList]
  private var records: RecordTable

  /// The preference for a database.
  ///
  /// - Parameters:
  ///   - known: lists of an earlier database with the same preference: they keep their numbers. There is no end of databases, but
  ///     of orders there is: two places differ in theirs only across lines that the sites draw on the globe.
  ///   - records: the numbers of the database's distinct records, as a look-up gives them.
  ///   - place: what a record says; nil: it cannot be read.
  public init(
    _ preference: SitePreference, after known: SiteLists? = nil, records: [UInt32], place: (UInt32) -> ClientPlace?
  ) {
    precondition(known == nil || known?.siteCount == preference.sites.count, "lists of another preference")
    self.preference = preference
    lists = known ?? SiteLists(siteCount: preference.sites.count)
    networkLists = []
    self.records = RecordTable(capacity: records.count)
    for number in preference.networks.indices {
      networkLists.append(lists.intern(preference.decide(network: number).order))
    }
    // Several records have one place: they differ in what decides nothing.
    var decided: [ClientPlace: SiteList] = [:]
    for record in records {
      // What cannot be read keeps the configured order, as what is not in the table does.
      guard var place = place(record) else { continue }
      place.accuracyKilometres = nil
      if let list = decided[place] {
        self.records.insert(record, list)
        continue
      }
      let list = lists.intern(preference.decide(place: place).order)
      decided[place] = list
      self.records.insert(record, list)
    }
  }

  /// The list of an address by the topology's networks; nil: the database decides.
  @inline(__always)
  public func list(high: UInt64, low: UInt64) -> SiteList? {
    preference.networkRule(high: high, low: low).map { networkLists[$0] }
  }

  /// The list of a record of the database.
  @inline(__always)
  public func list(record: UInt32) -> SiteList { records[record] }
}

/// Records and their lists: open addressing, at most half full.
private struct RecordTable: Sendable {
  /// Record number + 1 in the upper half, list in the lower; 0: free.
  private var slots: [UInt64]
  private let shift: UInt64
  private let mask: Int

  init(capacity: Int) {
    var bits: UInt64 = 4
    while 1 << bits < 2 * capacity { bits += 1 }
    slots = [UInt64](repeating: 0, count: 1 << bits)
    shift = 64 - bits
    mask = 1 << Int(bits) - 1
  }

  /// Fibonacci hashing: neighbouring records land far apart.
  @inline(__always)
  private func home(_ record: UInt32) -> Int {
    Int(truncatingIfNeeded: (UInt64(record) &* 0x9E37_79B9_7F4A_7C15) >> shift)
  }

  mutating func insert(_ record: UInt32, _ list: SiteList) {
    var slot = home(record)
    while slots[slot] != 0 { slot = (slot + 1) & mask }
    slots[slot] = (UInt64(record) + 1) << 32 | UInt64(list.number)
  }

  /// The list of a record; the configured order for one that is not there.
  @inline(__always)
  subscript(record: UInt32) -> SiteList {
    let wanted = UInt64(record) + 1
    var slot = home(record)
    while slots[slot] != 0 {
      if slots[slot] >> 32 == wanted { return SiteList(number: UInt32(truncatingIfNeeded: slots[slot])) }
      slot = (slot + 1) & mask
    }
    return .configured
  }
}
