import ArgumentParser
import Glibc
import TLS
import Topology

/// `geodirector pki init FILE`
struct PKIInit: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Make an authority and a short-lived certificate for every node of a topology.",
    discussion: """
      Example:
        geodirector pki init topologies/two-sites.yaml --directory pki

      Writes ca.pem (its key in ca.key) and, for each office, director, balancer and server, NAME.pem with certificate and key,
      good for its name, its host names and its addresses, as server and as client. Keys are EC P-256 and readable by you alone.
      Prints what to write into the topology, so that only offices reach directors, and only directors reach balancers.
      For trials and tests: the authority's key lies unprotected beside what it signs.

      With --renew the authority stays, so running nodes take the new keys and certificates without an error. They end with it at the
      latest: renew with a new authority before that.
      """)

  @OptionGroup var topology: TopologyFileArgument
  @Option(help: "Where the files go; it is made if it is not there.") var directory = "pki"
  @Option(help: "Days until the certificates end, 1 to 825.") var days = 30
  @Flag(help: "Make everything anew over what is there, a new authority too.") var force = false
  @Flag(help: "Make new certificates and keys by the authority that is there.") var renew = false

  func validate() throws {
    if !(1...825).contains(days) { throw ValidationError("--days is a number from 1 to 825") }
    if force && renew { throw ValidationError("--force makes a new authority, --renew keeps it: choose one") }
  }

  func run() throws {
    let loaded = try TopologyFiles.load(topology.path(), warnings: false)
    do {
      let files = try PKIFiles(directory: directory)
      let subjects = PKISubject.all(of: loaded)
      if subjects.contains(where: { $0.name == "ca" }) {
        throw DeployFailure.runtime(
          "a node or server is named \"ca\": its file would take the place of the authority's, \(directory)/ca.pem; give it another name"
        )
      }
      let names = ["ca.pem", "ca.key"] + subjects.map { "\($0.name).pem" }
      if !force && !renew, let there = names.first(where: files.isThere) {
        throw DeployFailure.runtime(
          "\(directory)/\(there) is there already; nothing was written. --renew makes new certificates, --force all anew"
        )
      }
      let second = Int64(time(nil))
      let end = second + Int64(days) * 86_400
      // A clock a little behind must not refuse what was just made.
      let begin = second - 3_600
      let authority = try self.authority(of: loaded, files, from: begin, until: end)
      // Nobody accepts what outlives who has signed it.
      let last = min(end, authority.end)
      if last < end { try tellEnd(of: authority.end, now: second) }
      for subject in subjects {
        let signed = try authority.issue(
          name: subject.name, hosts: subject.hosts, addresses: subject.addresses, from: begin, until: last)
        try files.write("\(subject.name).pem", signed.certificate + signed.key)
      }
      let wholeDays = Int((last - second) / 86_400)
      print(try PKIAdvice(topology: loaded, directory: directory).text(subjects: subjects.count, days: wholeDays))
    } catch let failure as DeployFailure {
      StandardError.write("geodirector: \(failure.message)\n")
      throw failure.exitCode
    } catch let error as TLSError {
      StandardError.write("geodirector: \(error)\n")
      throw ExitCode(1)
    }
  }
}

extension PKIInit {
  /// The authority that is there, or a new one.
  private func authority(of topology: Topology, _ files: PKIFiles, from begin: Int64, until end: Int64) throws
    -> Identity
  {
    if renew {
      return try Identity.authority(certificatePath: "\(directory)/ca.pem", keyPath: "\(directory)/ca.key")
    }
    let authority = try Identity.authority(
      // A common name has 64 characters at most.
      named: String("trials of \(topology.name)".prefix(64)), from: begin, until: end)
    try files.write("ca.key", authority.key)
    try files.write("ca.pem", authority.certificate, isPublic: true)
    return authority
  }

  /// The authority that is there ends before the days are over, or has ended.
  private func tellEnd(of authority: Int64, now: Int64) throws {
    let path = "\(directory)/ca.pem"
    let mend = "for a new one, make it in another directory, and have nodes accept both (docs/operations.md, TLS)"
    guard authority > now else {
      throw DeployFailure.runtime(
        "the authority is over, nothing was written: \(TLSError.expired(path: path, since: authority)); \(mend)")
    }
    StandardError.write(
      "geodirector: the new certificates end with their authority, before \(days) days are over: "
        + "\(TLSWarning.expiresSoon(path: path, at: authority)); \(mend)\n")
  }
}

/// Who gets a certificate, and what it bears.
struct PKISubject: Equatable {
  var name: String
  var hosts: [String]
  var addresses: [String]

  /// Every office, director, balancer, server, relay, and server of a relay that is reached by TLS, in the order of the topology.
  static func all(of topology: Topology) -> [PKISubject] {
    func subject(_ name: String, _ listen: [Listen], _ others: [Address?]) -> PKISubject {
      PKISubject(name: name, addresses: listen.map(\.address.value) + others.compactMap { $0 })
    }
    var subjects = topology.offices.map { subject($0.name, $0.listen, [$0.monitor?.value]) }
    for site in topology.sites {
      for node in site.directors + site.balancers {
        subjects.append(subject(node.name, node.listen, [node.advertise?.value, node.monitor?.value]))
      }
      subjects += site.servers.map { subject($0.name, [], [$0.base]) }
    }
    for relay in topology.relays {
      subjects.append(subject(relay.name, relay.listen, [relay.monitor?.value]))
      // Clients of a relay ask for the names it chooses by.
      for name in relay.pools.flatMap(\.serverNames) where !subjects[subjects.count - 1].hosts.contains(name.value) {
        subjects[subjects.count - 1].hosts.append(name.value)
      }
      for server in relay.everyServer
      where server.tls?.value.isOn == true && !subjects.contains(where: { $0.name == server.name }) {
        subjects.append(subject(server.name, [], [server.address?.value]))
      }
    }
    return subjects
  }

  init(name: String, addresses: [Address]) {
    self.name = name
    var hosts = [name]
    var numbers: [String] = []
    for address in addresses where !address.isWildcard {
      switch address {
      case .ipv4, .ipv6:
        let text = Self.number(address)
        if !numbers.contains(text) { numbers.append(text) }
      case .host(let host, _): if !hosts.contains(host) { hosts.append(host) }
      case .unix: break
      }
    }
    self.hosts = hosts
    self.addresses = numbers
  }

  /// An IP address without port and brackets.
  private static func number(_ address: Address) -> String {
    let text = "\(address)"
    guard let colon = text.lastIndex(of: ":") else { return text }
    return text[..<colon].filter { $0 != "[" && $0 != "]" }
  }
}

/// The files of an authority.
struct PKIFiles {
  let directory: String

  init(directory: String) throws(DeployFailure) {
    self.directory = directory
    // Others need not see what is in it.
    if mkdir(directory, 0o700) != 0 && errno != EEXIST {
      throw .runtime("\(directory) cannot be made: \(String(cString: strerror(errno)))")
    }
  }

  func isThere(_ name: String) -> Bool { access("\(directory)/\(name)", F_OK) == 0 }

  /// Writes a file beside its place and moves it there: who reads it finds the old or the new one, whole.
  func write(_ name: String, _ text: String, isPublic: Bool = false) throws(DeployFailure) {
    let path = "\(directory)/\(name)"
    let temporary = path + ".new"
    unlink(temporary)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, isPublic ? 0o644 : 0o600)
    guard descriptor >= 0 else { throw .runtime("\(path) cannot be written: \(String(cString: strerror(errno)))") }
    let bytes = Array(text.utf8)
    var offset = 0
    while offset < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + offset, bytes.count - offset) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { break }
      offset += count
    }
    let isWhole = offset == bytes.count
    let reason = String(cString: strerror(errno))
    guard close(descriptor) == 0, isWhole, rename(temporary, path) == 0 else {
      unlink(temporary)
      throw .runtime("\(path) cannot be written: \(reason)")
    }
  }
}
