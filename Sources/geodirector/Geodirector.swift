import ArgumentParser
import Dispatch
import Glibc

/// Runs the command that the arguments name.
///
/// The main thread waits for it as a thread like any other. Left to the run-time library it would end and stay behind asleep, where
/// a change of user no longer reaches it: a sleeping thread with all of root's rights.
@main
enum Program {
  static func main() {
    // Signals reach the process by this thread: the others block them, and so may whoever started the process have.
    var none = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, nil)
    do {
      let command = try Geodirector.parseAsRoot()
      if let command = command as? any AsyncParsableCommand {
        try wait(for: command)
      } else {
        var command = command
        try command.run()
      }
    } catch {
      Geodirector.exit(withError: error)
    }
  }

  /// A command on its way to another thread, and what came of it: touched by one thread at a time.
  private final class Errand: @unchecked Sendable {
    let command: any AsyncParsableCommand
    var failure: (any Error)?
    let done = DispatchSemaphore(value: 0)

    init(_ command: any AsyncParsableCommand) { self.command = command }

    func run() async {
      var command = self.command
      do { try await command.run() } catch { failure = error }
      done.signal()
    }
  }

  private static func wait(for command: any AsyncParsableCommand) throws {
    let errand = Errand(command)
    Task.detached { await errand.run() }
    errand.done.wait()
    if let failure = errand.failure { throw failure }
  }
}

/// The command line of geodirector: each subcommand lives in a folder of its own.
struct Geodirector: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "geodirector",
    abstract: "Directs users to the nearest healthy site and keeps them there.",
    subcommands: [
      DeployCommand.self, TopologyCommand.self, AdminGroup.self, GeoCommand.self, PKICommand.self,
    ])
}
