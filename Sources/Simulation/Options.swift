public import Geo
public import Topology

/// How a scenario is to be run.
public struct SimulationOptions: Sendable {
  /// Users at the same time; nil: as the scenario or the file says, else 140.
  public var users: Int?
  /// The users one by one, in place of numbers and habits; `users` has no meaning then. Entries and servers are those of the
  /// topology, as `PopulationLoader` sees to.
  public var roll: UserRoll?
  /// The report tells what each user met.
  public var tellsUsers: Bool
  /// The seed of scenarios that name none.
  public var seed: UInt64
  /// The user, from 0, whose every request is told; nil: nobody.
  public var traceUser: Int?
  /// For the first violation of each property, the scenario is run once more to tell the user's story.
  public var tracesViolations: Bool
  /// Rules that are switched off, for comparisons and to test the properties.
  public var behaviour: Behaviour
  /// Nothing is gone through at once: for the test that this makes no difference.
  var stepByStep = false
  /// Topologies that scenarios roll out, by the path of the file (`Located.pathFromItsFile`); they must have passed
  /// `rolloutErrors`. A file that is not among them counts as the network's own.
  public var rollouts: [String: Topology]
  /// How long the answer of a name holds, with `Behaviour.sitesByName`: at least 1 ms.
  public var namesLast: Duration = .seconds(60)
  /// Where an address is, in the 128-bit form: as the offices' database says. Asked for listed users with an address (`ListedUser.client`); nil:
  /// nobody knows, and the networks of the topology decide alone.
  public typealias ClientPlaces = @Sendable (_ high: UInt64, _ low: UInt64) -> ClientPlace?
  /// See `ClientPlaces`.
  public var clientPlace: ClientPlaces?
  /// Told now and then how far a run has come, and when its scenario is done; called on the run's thread. It changes nothing
  /// of what comes out.
  public var progress: (@Sendable (SimulationProgress) -> Void)?

  /// The plain run: seed 1, all rules.
  public init(seed: UInt64 = 1) {
    self.seed = seed
    tracesViolations = true
    behaviour = []
    rollouts = [:]
    tellsUsers = false
    progress = nil
  }
}

/// How far a scenario's run has come.
public struct SimulationProgress: Sendable {
  /// The scenario's name.
  public var scenario: String
  /// Virtual time that has passed, in nanoseconds.
  public var nowNanoseconds: Int64
  /// The scenario's length.
  public var endNanoseconds: Int64
  /// Requests simulated so far in this run.
  public var requests: UInt64
  /// The scenario's report is made. Before that a run may begin once more, to tell the story of a violation.
  public var isDone: Bool
}

/// Rules that a simulation leaves out, to show what they are good for.
public struct Behaviour: OptionSet, Sendable {
  /// The bits.
  public let rawValue: UInt16
  /// From the bits.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Offices learn nothing from answers (rule E3).
  public static let withoutLearning = Behaviour(rawValue: 1)
  /// A session that goes on at another server keeps its old prefix unless the application sets the cookie (rule B6).
  public static let withoutPrefixRewrite = Behaviour(rawValue: 2)
  /// A failed attempt is not repeated in a later tier while an earlier one is believed to live (rule D2).
  public static let withoutRedispatch = Behaviour(rawValue: 4)
  /// One check decides: rise and fall are 1 (rule C1).
  public static let withoutHysteresis = Behaviour(rawValue: 8)
  /// Directors set no site cookie (rule B4).
  public static let withoutSiteCookie = Behaviour(rawValue: 16)
  /// Who sits in a later tier goes home as soon as home admits (rule F1, `failback: immediate`).
  public static let immediateFailback = Behaviour(rawValue: 64)
  /// Applications go on with a session id they do not know, and set no cookie then, as some do.
  public static let applicationsAdoptSessions = Behaviour(rawValue: 128)
  /// Of the candidates that a cookie names, the first one that is believed to live is taken (rule B1).
  public static let firstMatch = Behaviour(rawValue: 256)
  /// Nobody tries a server believed down while another is left (rule C2).
  public static let withoutTrials = Behaviour(rawValue: 512)
  /// Nodes believe their checks alone: failed connections count for nothing (rule C5).
  public static let withoutEvidence = Behaviour(rawValue: 1024)
  /// Checks keep their interval, whatever they find.
  public static let withoutFastChecks = Behaviour(rawValue: 32)
  /// Nodes believe nothing that others say of themselves (rules D3, E1): offices see whether directors are there, directors
  /// whether balancers have somebody to serve with.
  public static let withoutStatements = Behaviour(rawValue: 2048)
  /// Directors know the balancers of their own site alone.
  public static let sitesStandAlone = Behaviour(rawValue: 4096)
  /// There are no office proxies: users go to the site that a name leads to, and nobody sets a site cookie. Who answers for
  /// the name checks the directors, and leads to the first site of the office's order that takes new users; an office
  /// keeps the answer for `SimulationOptions.namesLast`.
  public static let sitesByName = Behaviour(rawValue: 8192)
}
