/// What a database says about itself (MaxMind DB file format 2.0, section "Database Metadata").
public struct GeoMetadata: Sendable, Equatable {
  /// What it holds, by a name of its maker: `GeoLite2-City`.
  public internal(set) var type = ""
  /// 4 or 6: the addresses of its search tree. One of IPv6 addresses has the IPv4 ones, too.
  public internal(set) var ipVersion = 0
  /// Bits of one record of the tree: 24, 28 or 32.
  public internal(set) var recordBits = 0
  /// Nodes of the tree.
  public internal(set) var nodeCount = 0
  /// When it was made, seconds since 1970.
  public internal(set) var buildSeconds: UInt64 = 0
  /// Version of the format; the major one is 2.
  public internal(set) var formatMajor = 0
  /// The minor one.
  public internal(set) var formatMinor = 0
  /// Languages of its names.
  public internal(set) var languages: [String] = []
}

/// Reads the metadata of a file, of which nothing is known yet.
struct MetadataReader {
  static let marker: [UInt8] = [0xAB, 0xCD, 0xEF] + Array("MaxMind.com".utf8)
  /// The metadata is in the last bytes of the file.
  static let bytesMax = 128 * 1024
  /// Values in the metadata at most: what points to itself again and again ends here.
  private static let valuesMax = 10_000

  private let section: DataSection
  private let path: String
  private var values = 0

  init(_ file: UnsafeRawBufferPointer, path: String) throws(GeoDatabaseError) {
    let first = max(0, file.count - Self.bytesMax)
    var start = file.count - Self.marker.count
    while start >= first, !Self.marker.indices.allSatisfy({ file[start + $0] == Self.marker[$0] }) { start -= 1 }
    guard start >= first else { throw .notADatabase(path: path) }
    let begin = start + Self.marker.count
    section = DataSection(bytes: UnsafeRawBufferPointer(rebasing: file[begin...]), fileOffset: begin)
    self.path = path
  }

  mutating func read() throws(GeoDatabaseError) -> GeoMetadata {
    do throws(GeoDatabaseError) {
      var metadata = GeoMetadata()
      let map = try section.item(at: 0)
      guard map.kind == .map else { throw section.corrupt("it is not a map", at: 0) }
      var offset = map.next
      for _ in 0..<map.size {
        let key = try section.key(at: offset)
        try read(section.text(key.item), at: key.next, into: &metadata)
        offset = try skip(key.next, depth: 0)
      }
      try check(metadata)
      return metadata
    } catch .corrupt(let what, let offset) {
      throw .invalidMetadata(path: path, reason: "\(what) (at byte \(offset))")
    }
  }

  private func read(_ key: String, at offset: Int, into metadata: inout GeoMetadata) throws(GeoDatabaseError) {
    let value = try section.target(at: offset).item
    switch key {
    case "database_type": metadata.type = value.kind == .string ? section.text(value) : ""
    case "node_count": metadata.nodeCount = Int(try number(value, .uint32))
    case "record_size": metadata.recordBits = Int(try number(value, .uint16))
    case "ip_version": metadata.ipVersion = Int(try number(value, .uint16))
    case "build_epoch": metadata.buildSeconds = try number(value, .uint64)
    case "binary_format_major_version": metadata.formatMajor = Int(try number(value, .uint16))
    case "binary_format_minor_version": metadata.formatMinor = Int(try number(value, .uint16))
    case "languages":
      guard value.kind == .array else { throw section.corrupt("languages are not a list", at: value.content) }
      var position = value.next
      for _ in 0..<value.size {
        let (language, next) = try section.target(at: position)
        guard language.kind == .string, let next, metadata.languages.count < Self.valuesMax else {
          throw section.corrupt("a language is not a text", at: position)
        }
        metadata.languages.append(section.text(language))
        position = next
      }
    default: break
    }
  }

  private func number(_ item: DataSection.Item, _ kind: DataSection.Kind) throws(GeoDatabaseError) -> UInt64 {
    guard item.kind == kind else { throw section.corrupt("a number has another type", at: item.content) }
    return try section.unsigned(at: item.content, count: item.size)
  }

  /// Goes through a value, what it points to included; returns where the next one begins.
  private mutating func skip(_ offset: Int, depth: Int) throws(GeoDatabaseError) -> Int {
    values += 1
    guard values <= Self.valuesMax, depth < DataSection.depthMax else {
      throw section.corrupt("it has no end", at: offset)
    }
    let (item, next) = try section.target(at: offset)
    guard item.kind == .map || item.kind == .array else { return next ?? item.next }
    var inner = item.next
    for _ in 0..<item.size {
      if item.kind == .map { inner = try skip(inner, depth: depth + 1) }
      inner = try skip(inner, depth: depth + 1)
    }
    return next ?? inner
  }

  private func check(_ metadata: GeoMetadata) throws(GeoDatabaseError) {
    func invalid(_ reason: String) -> GeoDatabaseError { .invalidMetadata(path: path, reason: reason) }
    guard metadata.formatMajor == 2 else { throw invalid("its format is not version 2") }
    guard [24, 28, 32].contains(metadata.recordBits) else { throw invalid("records of \(metadata.recordBits) bits") }
    guard metadata.ipVersion == 4 || metadata.ipVersion == 6 else { throw invalid("IP version \(metadata.ipVersion)") }
    guard metadata.nodeCount > 0 else { throw invalid("the search tree has no nodes") }
    let tree = metadata.nodeCount * metadata.recordBits / 4
    // Sixteen zero bytes stand between tree and data.
    guard tree + 16 <= section.fileOffset - Self.marker.count else { throw invalid("the search tree is cut off") }
  }
}
