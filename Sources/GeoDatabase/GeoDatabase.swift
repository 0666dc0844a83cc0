internal import CMaxMindDB
public import Geo
internal import Topology

/// A MaxMind DB in memory: City, Country or any other; never changed once it is open, so that all threads look up in it at once.
///
/// Look-ups are libmaxminddb's and allocate nothing. The file is copied before it is opened, and every byte that a look-up can
/// meet is checked then: a broken file is an error when it is opened, not when it is used.
public final class GeoDatabase: @unchecked Sendable {
  /// Where a record is.
  public struct Entry: Sendable, Equatable {
    /// The record's number: addresses with the same record have the same one, in this database.
    public var record: UInt32
    /// The length of the prefix that has the same answer, in the 128-bit form (an IPv4 /24 is 120).
    public var prefixLength: Int
  }

  /// Bytes of a file at most: offsets in it have 32 bits.
  public static let fileBytesMax = Int(UInt32.max)

  /// What the database says about itself.
  public let metadata: GeoMetadata
  /// The file it was read from, as it was named.
  public let path: String
  let stamp: FileStamp
  /// The numbers of all records, rising.
  public let records: [UInt32]
  // Written in init only; libmaxminddb only reads it in a look-up, so threads can share it.
  private let handle: UnsafeMutablePointer<MMDB_s>

  /// Reads a file, checks all of it, and opens it.
  public init(path: String) throws(GeoDatabaseError) {
    let copy = try PrivateCopy(of: path)
    // Before libmaxminddb sees them: metadata whose values contain each other would keep it busy for ever.
    metadata = try Self.metadata(copy, path: path)
    let handle = UnsafeMutablePointer<MMDB_s>.allocate(capacity: 1)
    let opened = MMDB_open(copy.path, UInt32(MMDB_MODE_MMAP), handle)
    guard opened == MMDB_SUCCESS else {
      handle.deallocate()
      throw .library(opened)
    }
    do throws(GeoDatabaseError) {
      records = try Verification(handle.pointee, metadata).run()
    } catch {
      MMDB_close(handle)
      handle.deallocate()
      throw error
    }
    self.handle = handle
    self.path = path
    stamp = copy.stamp
  }

  /// What a file says about itself; no more of it is checked.
  public static func metadata(path: String) throws(GeoDatabaseError) -> GeoMetadata {
    try metadata(try PrivateCopy(of: path), path: path)
  }

  private static func metadata(_ copy: borrowing PrivateCopy, path: String) throws(GeoDatabaseError) -> GeoMetadata {
    try copy.withBytes { bytes throws(GeoDatabaseError) in
      var reader = try MetadataReader(bytes, path: path)
      return try reader.read()
    }
  }

  deinit {
    MMDB_close(handle)
    handle.deallocate()
  }

  /// Looks an address up.
  ///
  /// - Parameters:
  ///   - high: the first half of the address in the 128-bit form (IPv4-mapped for IPv4).
  ///   - low: the second half.
  /// - Returns: where its record is. Nil: there is none, or the database has IPv4 addresses only and this is another.
  @inline(__always)
  public func find(high: UInt64, low: UInt64) throws(GeoDatabaseError) -> Entry? {
    let (entry, found) = try search(high: high, low: low)
    return found ? entry : nil
  }

  /// The prefix around an address that has the same answer, be it a record or none; its length in the 128-bit form.
  public func prefixLength(high: UInt64, low: UInt64) throws(GeoDatabaseError) -> Int {
    try search(high: high, low: low).entry.prefixLength
  }

  @inline(__always)
  private func search(high: UInt64, low: UInt64) throws(GeoDatabaseError) -> (entry: Entry, found: Bool) {
    var found: Int32 = 0
    var offset: UInt32 = 0
    var prefix: UInt32 = 0
    let error = cmm_find(handle, high, low, &found, &offset, &prefix)
    guard error == MMDB_SUCCESS else { throw .library(error) }
    return (Entry(record: offset, prefixLength: Int(prefix)), found != 0)
  }

  /// What a record says about a place, by the paths that MaxMind's databases use: `location.latitude`, `location.longitude`,
  /// `location.accuracy_radius`, `continent.code`, `country.iso_code`, `subdivisions.0.iso_code` and that of the second
  /// subdivision. What is not there, is of another type or is out of its bounds is nil.
  public func place(of record: UInt32) throws(GeoDatabaseError) -> ClientPlace {
    var raw = cmm_place()
    let error = cmm_read_place(handle, record, &raw)
    guard error == MMDB_SUCCESS else { throw .library(error) }
    var place = ClientPlace()
    // Not a number is in no range.
    if raw.has_location != 0, (-90...90).contains(raw.latitude), (-180...180).contains(raw.longitude) {
      place.location = Location(latitude: raw.latitude, longitude: raw.longitude)
    }
    place.accuracyKilometres = raw.accuracy == 0 ? nil : Int(raw.accuracy)
    place.continent = RegionCode(packed: raw.continent)
    place.country = RegionCode(packed: raw.country)
    place.subdivision = RegionCode(packed: raw.subdivision)
    place.secondSubdivision = RegionCode(packed: raw.second_subdivision)
    return place
  }

  /// Looks up the place of an address; nil: the database does not have it.
  public func place(high: UInt64, low: UInt64) throws(GeoDatabaseError) -> ClientPlace? {
    guard let entry = try find(high: high, low: low) else { return nil }
    return try place(of: entry.record)
  }

  /// The data, for reading whole records.
  var data: DataSection { withExtendedLifetime(self) { DataSection(handle.pointee, metadata) } }
}

extension DataSection {
  /// The data of an open database: from the tree and its separator to the metadata.
  init(_ database: MMDB_s, _ metadata: GeoMetadata) {
    let begin = metadata.nodeCount * metadata.recordBits / 4 + 16
    let end = database.metadata_section - database.file_content - MetadataReader.marker.count
    bytes = UnsafeRawBufferPointer(start: database.file_content + begin, count: end - begin)
    fileOffset = begin
  }
}
