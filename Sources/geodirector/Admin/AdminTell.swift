import ArgumentParser
import Foundation
import Operations

/// `geodirector admin tell`: what keepalived runs when an address comes or goes.
struct AdminTell: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tell",
    abstract: "Run the command of \"notify\" for a change that keepalived has seen: it adds the last four words.",
    discussion: """
      `topology render keepalived` writes this into its configuration. Bytes of the command that mean something to keepalived are written
      %20 (hexadecimal).

      Example:
        geodirector admin tell --node S1L1 --network shop --address 10.1.1.100 -- /usr/local/bin/tell operations INSTANCE entry MASTER 200
      """)
  @Option(help: "The node whose address it is.") var node: String
  @Option(help: "The network's name.") var network: String
  @Option(help: "The address that comes or goes.") var address: String
  @Argument(parsing: .postTerminator, help: "The command, and keepalived's KIND NAME STATE PRIORITY.")
  var words: [String] = []

  func validate() throws {
    guard words.count > 4, words[0].hasPrefix("/") else {
      throw ValidationError("Give -- and a command with its whole path, and then KIND NAME STATE PRIORITY.")
    }
  }

  func run() throws {
    let told = Array(words.suffix(4))
    let command = try words.dropLast(4).map(Self.plain)
    let node = try Self.plain(self.node)
    let line = NotifiedCommand.line(
      node: node, name: told[1], state: told[2].lowercased(),
      cause: "keepalived: \(try Self.plain(address)), priority \(told[3])")
    if let why = NotifiedCommand(command, node: node, network: try Self.plain(network)).run([line]) {
      StandardError.write("Error: the command that is to be notified, \(command[0]), failed: \(why)\n")
      throw ExitCode(1)
    }
  }

  /// What was meant by a word; `%00` is none at all, as keepalived passes no empty one on.
  private static func plain(_ word: String) throws -> String {
    guard let text = word.removingPercentEncoding else { throw ValidationError("\"\(word)\": a % is written %25") }
    return text == "\0" ? "" : text
  }
}
