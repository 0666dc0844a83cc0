internal import Glibc
internal import Topology

/// What tells that a file is another one than before, without reading it.
struct FileStamp: Equatable {
  let path: String
  private let device, inode: UInt
  private let size: Int
  private let seconds, nanoseconds: Int
  /// The permissions.
  let mode: UInt32

  /// The file's stamp now; a file that is not there has one too.
  init(_ path: String) {
    var status = stat()
    let isThere = stat(path, &status) == 0
    self.path = path
    device = isThere ? UInt(status.st_dev) : 0
    inode = isThere ? UInt(status.st_ino) : 0
    size = isThere ? Int(status.st_size) : -1
    seconds = isThere ? Int(status.st_mtim.tv_sec) : 0
    nanoseconds = isThere ? Int(status.st_mtim.tv_nsec) : 0
    mode = isThere ? UInt32(status.st_mode) : 0
  }

  var isThere: Bool { size >= 0 }
  var isFolder: Bool { isThere && mode & UInt32(S_IFMT) == UInt32(S_IFDIR) }
  var isReadableByAll: Bool { isThere && mode & UInt32(S_IROTH) != 0 }
}

/// Reads whole files; none of ours is large.
enum FileBytes {
  static let countMax = 1 << 20

  /// Reads a file of keys: one that everybody on this machine can read is refused.
  static func readSecret(_ path: String) throws(TLSError) -> [UInt8] {
    if FileStamp(path).isReadableByAll { throw .readableByAll(path: path) }
    return try read(path)
  }

  static func read(_ path: String) throws(TLSError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(path: path, reason: String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = Glibc.read(descriptor, &piece, piece.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw .unreadable(path: path, reason: String(cString: strerror(errno))) }
      if count == 0 { return bytes }
      bytes += piece[0..<count]
      guard bytes.count <= countMax else { throw .unreadable(path: path, reason: "larger than 1 MiB") }
    }
  }
}

/// The files of one certificate.
struct CertificateFiles {
  var certificate: String
  var key: String
  var staple: String?

  init(certificate: String, key: String, staple: String?) {
    self.certificate = certificate
    self.key = key
    self.staple = staple
  }

  /// The files that a plan names, folders opened; and every path whose change matters.
  static func all(_ plans: [CertificatePlan]) throws(TLSError) -> (files: [CertificateFiles], watched: [String]) {
    var files: [CertificateFiles] = []
    var watched: [String] = []
    for plan in plans {
      guard FileStamp(plan.path).isFolder else {
        files.append(CertificateFiles(plan))
        continue
      }
      watched.append(plan.path)
      let names = try entries(plan.path).filter { $0.hasSuffix(".pem") || $0.hasSuffix(".crt") }.sorted()
      guard !names.isEmpty else { throw .emptyFolder(path: plan.path) }
      let folder = plan.path.hasSuffix("/") ? plan.path : plan.path + "/"
      for name in names { files.append(CertificateFiles(CertificatePlan(path: folder + name))) }
    }
    guard !files.isEmpty else { throw .noCertificates }
    for entry in files { watched += [entry.certificate, entry.key, entry.staple ?? entry.certificate + ".ocsp"] }
    return (files, watched)
  }

  init(_ plan: CertificatePlan) {
    certificate = plan.path
    key = plan.keyPath ?? Self.keyBeside(plan.path)
    let staple = plan.path + ".ocsp"
    self.staple = plan.staplePath ?? (FileStamp(staple).isThere ? staple : nil)
  }

  /// `shop.pem.key`, or `shop.key` for `shop.pem`, where there is one; else the certificate's file itself.
  private static func keyBeside(_ path: String) -> String {
    if FileStamp(path + ".key").isThere { return path + ".key" }
    if let dot = path.lastIndex(of: "."), !path[dot...].contains("/") {
      let other = path[..<dot] + ".key"
      if FileStamp(String(other)).isThere { return String(other) }
    }
    return path
  }

  private static func entries(_ path: String) throws(TLSError) -> [String] {
    guard let folder = opendir(path) else { throw .unreadable(path: path, reason: String(cString: strerror(errno))) }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names
  }
}
