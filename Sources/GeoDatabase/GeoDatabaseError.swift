internal import CMaxMindDB

/// Why a database cannot be used, or an address not be looked up in it.
public enum GeoDatabaseError: Error, Sendable, Equatable {
  /// The file cannot be opened or read; with what the system says.
  case unreadable(path: String, reason: String)
  /// It is not a regular file.
  case notAFile(path: String)
  /// It is larger than `GeoDatabase.fileBytesMax`.
  case tooLarge(path: String, bytes: Int)
  /// It was written to while it was read.
  case changing(path: String)
  /// Nothing in it says that it is a MaxMind DB: another format, or the end is missing.
  case notADatabase(path: String)
  /// What it says about itself cannot be understood.
  case invalidMetadata(path: String, reason: String)
  /// The search tree or the data is broken at a byte of the file.
  case corrupt(what: String, at: Int)
  /// There is no memory for it; with what the system says.
  case noMemory(reason: String)
  /// libmaxminddb refuses it for another reason.
  case refused(reason: String)

  /// The library's error as ours.
  static func library(_ code: Int32) -> GeoDatabaseError { .refused(reason: String(cString: MMDB_strerror(code))) }
}

extension GeoDatabaseError: CustomStringConvertible {
  /// What is wrong, one sentence without a full stop.
  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "cannot read \"\(path)\": \(reason)"
    case .notAFile(let path): "\"\(path)\" is not a regular file"
    case .tooLarge(let path, let bytes): "\"\(path)\" has \(bytes) bytes, more than \(GeoDatabase.fileBytesMax)"
    case .changing(let path): "\"\(path)\" changed while it was read"
    case .notADatabase(let path): "\"\(path)\" is not a MaxMind DB, or its end is missing"
    case .invalidMetadata(let path, let reason): "the metadata of \"\(path)\" is not valid: \(reason)"
    case .corrupt(let what, let offset): "the database is corrupt at byte \(offset): \(what)"
    case .noMemory(let reason): "no memory for the database: \(reason)"
    case .refused(let reason): "libmaxminddb refuses the database: \(reason)"
    }
  }
}
