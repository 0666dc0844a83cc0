public import Topology

/// What a demo server is told when it starts.
public struct DemoServerOptions: Sendable {
  /// The server's name, as its answers give it.
  public var name: String
  /// The site it stands at; nil: none, as when it is started without a topology.
  public var site: String?
  /// The applications it plays, each at its own address; at least one.
  public var services: [DemoService]
  /// Where it answers the checks that ask whether it takes new users; closed first in a soft stop. May be empty.
  public var admissionAddresses: [Address]
  /// What it shows at all its addresses. Nil: it speaks plain HTTP.
  public var certificate: CertificatePlan?
  /// After a soft stop (SIGUSR1) closed the admission addresses, how long the service goes on.
  public var grace: Duration
  /// A session not seen for this long is forgotten.
  public var sessionIdle: Duration = .seconds(30 * 60)
  /// Sessions kept at most; the one unseen for longest makes room.
  public var sessionsMax: Int = 100_000
  /// After SIGTERM or SIGINT, how long requests in flight may take to finish before they are cut.
  public var shutdown: Duration = .seconds(60)

  /// Options with the given addresses and defaults for the rest.
  public init(
    name: String, site: String?, services: [DemoService], admissionAddresses: [Address] = [],
    grace: Duration = .seconds(10)
  ) {
    self.name = name
    self.site = site
    self.services = services
    self.admissionAddresses = admissionAddresses
    self.grace = grace
  }
}

/// One application of a demo server.
public struct DemoService: Sendable {
  /// The application's name.
  public var application: String
  /// Name of the session cookie it sets, case-sensitive.
  public var cookieName: String
  /// Where it serves users.
  public var address: Address
  /// The paths that health checks ask for, without query, as if they were files: PUT and DELETE make and remove them. May be empty.
  public var checkPaths: Set<String>

  /// An application at an address.
  public init(application: String, cookieName: String = "JSESSIONID", address: Address, checkPaths: Set<String> = []) {
    self.application = application
    self.cookieName = cookieName
    self.address = address
    self.checkPaths = checkPaths
  }
}

/// Why a demo server could not start.
public struct DemoServerError: Error, Sendable, CustomStringConvertible {
  /// What went wrong.
  public enum Kind: Sendable {
    /// Another process listens there.
    case portInUse
    /// The port is below 1024 (or the path is protected) and the process may not take it.
    case missingPrivilege
    /// No interface of this machine bears the address.
    case addressNotAvailable
    /// Anything else the system said.
    case other
  }
  /// What went wrong.
  public var kind: Kind
  /// One sentence with the mend.
  public var description: String
}
