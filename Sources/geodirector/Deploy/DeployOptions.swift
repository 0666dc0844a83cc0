import ArgumentParser
import Glibc
import Proxy
import Topology

/// Which topology, and how fast its clocks run.
struct TopologyOptions: ParsableArguments {
  @Option(name: .long, help: "The topology file. Default: the environment's GEODIRECTOR_TOPOLOGY.")
  var topology: String?

  @Option(name: .long, help: "Multiplies every duration, instead of the file's time-scale (0.1: ten times shorter).")
  var timeScale: Double?

  func validate() throws {
    if let timeScale, !(timeScale > 0 && timeScale <= 1000) {
      throw ValidationError("--time-scale is a number above 0, at most 1000")
    }
  }

  /// The file's path from the option or the environment.
  func path() throws -> String {
    if let path = TopologyFiles.path(topology) { return path }
    throw DeployFailure.usage("which topology? Name its file with --topology FILE, or set GEODIRECTOR_TOPOLOGY")
  }

  /// Reads the topology; a file with errors is refused with all of them, warnings are left to `topology check`.
  func load() throws -> Topology {
    var topology = try TopologyFiles.load(path(), warnings: false)
    if let timeScale { topology.timeScale = timeScale }
    return topology
  }
}

/// Options of one proxy node.
struct NodeRunOptions: ParsableArguments {
  @Option(name: .long, help: "Worker threads. Default: one per core.")
  var workers: Int?

  @Option(name: .long, help: "Where the access log goes: a file, - for standard output, or none.")
  var accessLog = "-"

  @Flag(name: .long, help: .hidden)
  var supervised = false

  func validate() throws {
    if let workers, !(1...64).contains(workers) { throw ValidationError("--workers is a number from 1 to 64") }
  }

  /// As the engine takes them.
  var nodeOptions: NodeOptions {
    let target: AccessLogTarget
    switch accessLog {
    case "-": target = .standardOutput
    case "none": target = .none
    default: target = .file(accessLog)
    }
    return NodeOptions(workers: workers ?? 0, accessLog: target)
  }
}

/// A failure that is told in one line, with the exit code that fits.
enum DeployFailure: Error, Equatable {
  /// The command line is wrong (sysexits: 64).
  case usage(String)
  /// The topology cannot be used (sysexits: 78).
  case configuration(String)
  /// The node could not run.
  case runtime(String)

  /// What a person reads.
  var message: String {
    switch self {
    case .usage(let text), .configuration(let text), .runtime(let text): text
    }
  }

  /// What a program reads.
  var exitCode: ExitCode {
    switch self {
    case .usage: ExitCode(64)
    case .configuration: .configuration
    case .runtime: ExitCode(1)
    }
  }

  /// Runs a command's body and turns a failure into one line on standard error and an exit code.
  static func reported(_ body: () async throws -> Void) async throws {
    do {
      try await body()
    } catch let failure as DeployFailure {
      StandardError.write("geodirector: \(failure.message)\n")
      throw failure.exitCode
    }
  }
}

/// Text for standard error.
enum StandardError {
  /// Writes at once, unbuffered.
  static func write(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return }
      bytes = bytes.dropFirst(count)
    }
  }
}
