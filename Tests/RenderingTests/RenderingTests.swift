import Testing
import Topology
import TopologyFile

@testable import Rendering

private func loaded(_ text: String) throws -> Topology {
  let (topology, diagnostics) = TopologyLoader.load(text: text, file: "network.yaml")
  return try #require(topology, "\(diagnostics)")
}

private let network = """
  geodirector: 1
  network: small
  admin: true
  addresses:
    - {name: entry, address: 10.0.0.100/24, router-id: 51, interval: 250ms}
    - {name: six, address: "fd00::100/64", router-id: 52, preempt: true, preempt-delay: 1500ms}
  sites:
    - name: S
      directors: [{name: D, listen: "10.0.0.5:80", monitor: "10.0.0.5:8081"}]
      balancers:
        - name: A
          listen: [{address: "10.0.0.100:8080", bind: free}, {address: "[fd00::100]:8080", bind: free}, "10.0.0.11:8080"]
          advertise: "10.0.0.11:8080"
          monitor: "10.0.0.11:8081"
          vrrp: [{address: entry}, {address: six, source: "fd00::11"}]
        - name: B
          listen: [{address: "10.0.0.100:8080", bind: free}, {address: "[fd00::100]:8080", bind: free}, "10.0.0.12:8080"]
          advertise: "10.0.0.12:8080"
          monitor: "10.0.0.12:8081"
          vrrp: [{address: entry}, {address: six, source: "fd00::12"}]
      servers: [{name: W, host: "10.0.0.9", ports: {default: 80, admission: 81}}]
  """

@Suite struct HAProxyTests {
  @Test(arguments: [
    (Duration.milliseconds(1500), "1500ms"), (.nanoseconds(1), "1ms"), (.seconds(100 * 366 * 86_400), "2147483647ms"),
  ])
  func timesAreWholeMillisecondsAtLeastOne(duration: Duration, expected: String) {
    #expect(HAProxyText.time(duration) == expected)
  }

  @Test(arguments: [
    ("10.0.0.1:80", "10.0.0.1:80"), ("0.0.0.0:80", "0.0.0.0:80"), ("[::]:80", "[::]:80 v6only"),
    ("[::1]:80", "[::1]:80"),
    ("unix:/run/x", "unix@/run/x"), ("unix:@name", "abns@name"),
    ("unix:/tmp/a b#c.sock", "\"unix@/tmp/a b#c.sock\""), ("example.com:80", "example.com:80"),
  ])
  func addressesAreWrittenInHAProxysForm(text: String, expected: String) throws {
    #expect(HAProxyText.address(try Address(parsing: text)) == expected)
  }

  @Test func wordsAreQuotedAgainstItsSpecialCharacters() {
    #expect(HAProxyText.quoted(#"a "b" \ $c #d"#) == #""a \"b\" \\ \$c #d""#)
    #expect(HAProxyText.format("/%20") == "\"/%%20\"")
  }

  /// `shutdown` is a bound of SIGTERM; HAProxy's `hard-stop-after` would be one of SIGUSR1, which waits for the last connection here.
  @Test func aSoftStopHasNoBound() throws {
    let text = network.replacing("admin: true", with: "admin: true\ndefaults: {site-balancer: {shutdown: 7s}}")
    let lines = HAProxyConfiguration(try loaded(text).plan(for: "A")).text.split(separator: "\n")
    #expect(!lines.contains { $0.contains("hard-stop-after") })
    #expect(lines.contains("  # Difference: SIGTERM ends every connection at once, here after 7s at the latest."))
  }

  @Test func thatNoCommandsAreTakenIsToldWhereTheNodeTakesThem() throws {
    let told = "# Difference: no commands are taken: "
    #expect(HAProxyConfiguration(try loaded(network).plan(for: "A")).text.contains(told))
    let without = network.replacing("admin: true", with: "admin: no")
    #expect(!HAProxyConfiguration(try loaded(without).plan(for: "A")).text.contains(told))
  }

  @Test func aServerWithAnAdmissionPortStandsThereTwice() throws {
    let text = HAProxyConfiguration(try loaded(network).plan(for: "A")).text
    let lines = text.split(separator: "\n").filter { $0.hasPrefix("  server ") }
    #expect(lines.count == 2)
    #expect(lines[0].hasPrefix("  server W 10.0.0.9:80 cookie \"W\" weight 1 check port 81 inter 2000ms"))
    #expect(!lines[0].hasSuffix(" backup"))
    #expect(lines[1].hasPrefix("  server W.own 10.0.0.9:80 cookie \"W\" weight 1 check inter 4000ms"))
    #expect(lines[1].hasSuffix(" backup"))
  }

  @Test func aCookieWhoseNameWouldCutTheLineIsQuoted() throws {
    let odd = network.replacing(
      "sites:",
      with: "applications: [{name: default, cookies: {site: none, session: {name: \"J#X\", mode: insert}}}]\nsites:")
    #expect(HAProxyConfiguration(try loaded(odd).plan(for: "A")).text.contains("\n  cookie \"J#X\" insert"))
  }

  @Test func aServerThatIsCalledLikeTheOwnUsersOfAnotherClashesWithNone() throws {
    let two = network.replacing(
      "ports: {default: 80, admission: 81}}]",
      with:
        "ports: {default: 80, admission: 81}}, {name: W-own, host: \"10.0.0.8\", ports: {default: 80, admission: 81}}]")
    let lines = HAProxyConfiguration(try loaded(two).plan(for: "A")).text.split(separator: "\n")
    let names = lines.filter { $0.hasPrefix("  server ") }.map { $0.split(separator: " ")[1] }
    #expect(names == ["W", "W-own", "W.own", "W-own.own"])
  }

  @Test func connectionsLeaveFromTheSourceOfTheServersKind() throws {
    let text = network.replacing(
      "advertise: \"10.0.0.11:8080\"",
      with: "advertise: \"10.0.0.11:8080\"\n        source: [10.0.0.11, \"fd00::11\"]"
    ).replacing("servers: [", with: "servers: [{name: V, address: \"[fd00::9]:80\"}, ")
    let lines = HAProxyConfiguration(try loaded(text).plan(for: "A")).text.split(separator: "\n")
      .filter { $0.hasPrefix("  server ") }
    #expect(lines.count == 3)
    for line in lines { #expect(line.contains(line.contains(" V ") ? " source fd00::11" : " source 10.0.0.11")) }
  }

  @Test func theSamePlanGivesTheSameText() throws {
    let plan = try loaded(network).plan(for: "D")
    #expect(HAProxyConfiguration(plan) == HAProxyConfiguration(plan))
  }
}

@Suite struct KeepalivedTests {
  @Test func aNodeSpeaksToTheOthersFromItsOwnAddressAndIsAskedByItsMonitor() throws {
    let topology = try loaded(network)
    let text = try #require(KeepalivedConfiguration(topology, node: "A")).text
    #expect(
      text.contains(
        """
        vrrp_instance entry {
          state BACKUP
          interface eth0
          virtual_router_id 51
          priority 200
          advert_int 0.25
          nopreempt
          check_unicast_src
          unicast_src_ip 10.0.0.11
          unicast_peer {
            10.0.0.12  # B
          }
          virtual_ipaddress {
            10.0.0.100/24 dev eth0
          }
          track_script {
            A-health
          }
        }
        """))
    #expect(text.contains("script \"/usr/local/bin/geodirector admin health 10.0.0.11:8081\""))
    #expect(text.contains("  preempt_delay 2\n"))
    #expect(text.contains("  native_ipv6\n"))
    #expect(text.contains("    fd00::12  # B\n"))
  }

  @Test func aMonitorWithTLSIsAskedByIt() throws {
    let tls = "{certificates: a.pem, require: client-certificate, client-ca: ca.pem}"
    let secure = network.replacing(
      "monitor: \"10.0.0.11:8081\"",
      with: "monitor: {address: \"10.0.0.11:8081\", tls: \(tls)}\n        "
        + "upstream: {tls: {ca: pki/ca.pem, certificate: \"/keys/{node}.pem\"}}")
    let topology = try loaded(secure)
    let scripts = KeepalivedConfiguration.Scripts(directory: "/etc/geodirector")
    let text = try #require(KeepalivedConfiguration(topology, node: "A", scripts: scripts)).text
    #expect(
      text.contains(
        "script \"/usr/local/bin/geodirector admin health 10.0.0.11:8081 --tls --name A --ca /etc/geodirector/pki/ca.pem --certificate /keys/A.pem\""
      ), "\(text)")
    let other = try #require(KeepalivedConfiguration(topology, node: "B", scripts: scripts)).text
    #expect(other.contains("admin health 10.0.0.12:8081\""))
    let (_, diagnostics) = TopologyLoader.load(
      text: secure.replacing(", certificate: \"/keys/{node}.pem\"", with: ""), file: "network.yaml")
    #expect("\(diagnostics)".contains("and keepalived, which asks it, has none to show"), "\(diagnostics)")
  }

  @Test func theTopologysOwnCommandIsToldWhereAnAddressIs() throws {
    #expect(try #require(KeepalivedConfiguration(loaded(network), node: "A")).text.contains("notify") == false)
    let telling = network.replacing(
      "admin: true", with: "notify: {command: [/bin/sh, -c, 'cat >&2; echo \"$100\" #', '']}")
    let text = try #require(KeepalivedConfiguration(loaded(telling), node: "A")).text
    let told = "/usr/local/bin/geodirector admin tell --node A --network small --address"
    let command = "-- /bin/sh -c cat%20%3E%262%3B%20echo%20%22%24100%22%20%23 %00"
    #expect(text.contains("  notify \"\(told) 10.0.0.100 \(command)\"\n"), "\(text)")
    #expect(text.contains("  notify \"\(told) fd00::100 \(command)\"\n"), "\(text)")
  }

  @Test func aNodeThatSharesNothingHasNone() throws {
    #expect(KeepalivedConfiguration(try loaded(network), node: "D") == nil)
  }

  @Test func peersOfThreeNodesAreEachTheTwoOthers() throws {
    let third = network.replacing(
      "    servers:",
      with: """
              - name: C
                listen: [{address: "10.0.0.100:8080", bind: free}, "10.0.0.13:8080"]
                advertise: "10.0.0.13:8080"
                monitor: "10.0.0.13:8081"
                vrrp: {address: entry}
            servers:
        """)
    let topology = try loaded(third)
    for (node, others) in [("A", ["12", "13"]), ("B", ["11", "13"]), ("C", ["11", "12"])] {
      let text = try #require(KeepalivedConfiguration(topology, node: node)).text
      let block = text.split(separator: "unicast_peer {")[1].prefix { $0 != "}" }
      #expect(block.split(separator: "\n").count - 1 == 2)
      for other in others { #expect(block.contains("10.0.0.\(other) ")) }
    }
  }
}

@Suite struct SystemdTests {
  @Test func lowPortsGetTheCapabilityAndOthersNone() throws {
    let topology = try loaded(network)
    let low = SystemdUnit(try topology.plan(for: "D"), program: "/bin/geodirector", topologyPath: "/etc/n.yaml").text
    let high = SystemdUnit(try topology.plan(for: "A"), program: "/bin/geodirector", topologyPath: "/etc/n.yaml").text
    #expect(low.contains("\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n") && !low.contains("PrivateUsers"))
    #expect(high.contains("\nAmbientCapabilities=\n") && high.contains("\nPrivateUsers=yes\n"))
    #expect(low.contains("\nRuntimeDirectory=geodirector/small\n"))
    #expect(low.contains("\nExecStart=/bin/geodirector deploy site-director D --topology /etc/n.yaml\n"))
    #expect(low.contains("\nTimeoutStopSec=40\n") && low.contains("\nType=notify\n"))
  }

  @Test(arguments: [
    ("/run/geodirector/{node}.sock", ["RuntimeDirectory=geodirector", "RuntimeDirectoryPreserve=yes"]),
    ("/srv/x/{node}.sock", ["ReadWritePaths=-/srv/x"]),
    ("/srv/a b/50%/{node}.sock", ["ReadWritePaths=\"-/srv/a b/50%%\""]),
    ("/run/a b/{node}.sock", ["ReadWritePaths=\"-/run/a b\""]),
    ("/srv/q'\"/{node}.sock", ["ReadWritePaths=\"-/srv/q'\"'\"'\"\""]),
  ])
  func theFolderOfTheCommandSocketIsWritableAndNothingElse(socket: String, expected: [String]) throws {
    var topology = try loaded(network)
    topology.admin = AdminSettings(socket: Located(socket))
    #expect(folders(of: try topology.plan(for: "A")) == expected)
  }

  @Test func theFolderOfAListenerIsWritable() throws {
    let unix = network.replacing(
      "listen: \"10.0.0.5:80\"",
      with:
        "listen: [\"10.0.0.5:80\", \"unix:/run/shop/l.sock\", \"unix:/l.sock\", \"unix:/x/../l.sock\", \"unix:@l\"], advertise: \"10.0.0.5:80\""
    )
    #expect(
      folders(of: try loaded(unix).plan(for: "D")) == [
        "RuntimeDirectory=geodirector/small", "RuntimeDirectoryPreserve=yes", "ReadWritePaths=-/run/shop",
      ])
  }

  @Test func allNodesOfAMachineHaveOneUser() throws {
    let text = SystemdUnit(try loaded(network).plan(for: "A"), program: "/bin/g", topologyPath: "/n.yaml").text
    #expect(text.contains("\nDynamicUser=yes\nUser=geodirector\n"))
  }

  private func unit(with settings: String, path: String = "/etc/geodirector/n.yaml") throws -> [String] {
    let other = network.replacing("listen: \"10.0.0.5:80\"", with: "listen: \"10.0.0.5:80\", \(settings)")
    return SystemdUnit(try loaded(other).plan(for: "D"), program: "/bin/g", topologyPath: path).text
      .split(separator: "\n").map(String.init)
  }

  @Test(arguments: [
    (
      "/run/geodirector/{node}.pid",
      ["RuntimeDirectory=geodirector/small", "RuntimeDirectoryPreserve=yes", "RuntimeDirectory=geodirector"]
    ),
    ("/run/geodirector/small/{node}.pid", ["RuntimeDirectory=geodirector/small", "RuntimeDirectoryPreserve=yes"]),
    (
      "/var/lib/x/{node}.pid",
      ["RuntimeDirectory=geodirector/small", "RuntimeDirectoryPreserve=yes", "ReadWritePaths=-/var/lib/x"]
    ),
  ])
  func theFolderOfThePidFileIsWritable(path: String, expected: [String]) throws {
    let lines = try unit(with: "pidfile: \"\(path)\"")
    #expect(lines.filter { $0.hasPrefix("RuntimeDirectory") || $0.hasPrefix("ReadWritePaths") } == expected)
    #expect(!lines.contains { $0.contains("writes nothing into /run") })
  }

  @Test func aPidFileThatTheUnitsUserCannotWriteIsToldOf() throws {
    #expect(try unit(with: "pidfile: /run/d.pid").contains { $0.contains("writes nothing into /run") })
    #expect(try !unit(with: "pidfile: /run/d.pid, user: shop").contains { $0.contains("writes nothing into /run") })
  }

  @Test func aNodeThatGivesUpRootByItselfBeginsAsRootWithFewRights() throws {
    let lines = try unit(with: "user: shop, group: web, chroot: /var/empty")
    #expect(!lines.contains { $0.hasPrefix("User=") || $0.hasPrefix("DynamicUser=") || $0.hasPrefix("PrivateUsers=") })
    #expect(
      lines.contains(
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_CHOWN CAP_SYS_CHROOT CAP_KILL"))
    #expect(lines.contains("AmbientCapabilities=") && lines.contains("SystemCallFilter=@system-service chroot"))
    // By root as it is: one without CAP_KILL may not signal another user's process.
    #expect(lines.contains("ExecReload=+/bin/kill -HUP $MAINPID"))
    let plain = try unit(with: "grace: 1s")
    #expect(plain.contains("ExecReload=/bin/kill -HUP $MAINPID") && plain.contains("SystemCallFilter=@system-service"))
  }

  @Test func rootMayReadKeysOfTheUserThatTheNodeBecomes() throws {
    let secure = { (settings: String) in
      let text = network.replacing(
        "listen: \"10.0.0.5:80\"", with: "listen: [{address: \"10.0.0.5:443\", tls: /etc/pki/d.pem}]\(settings)")
      return SystemdUnit(try loaded(text).plan(for: "D"), program: "/bin/g", topologyPath: "/n.yaml").text
    }
    let becomes = try secure(", user: shop")
    #expect(
      becomes.contains(
        "\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_CHOWN CAP_DAC_READ_SEARCH\n"))
    #expect(becomes.contains("(chown shop FILE)") && becomes.contains("\n#   /etc/pki/d.pem\n"))
    // Root would keep it.
    #expect(try !secure(", group: web").contains("CAP_DAC_READ_SEARCH"))
    #expect(try !secure("").contains("CAP_DAC_READ_SEARCH"))
    #expect(try !unit(with: "user: shop").contains { $0.contains("CAP_DAC_READ_SEARCH") || $0.hasPrefix("#   ") })
  }

  @Test func aPasswordOfTheEnvironmentComesByAFileBesideTheTopology() throws {
    let page = "status-page: {listen: \"10.0.0.5:1936\", user: u, password: "
    #expect(
      try unit(with: page + "\"env:PASS\"}", path: "/etc/50% of/n.yaml")
        .contains("EnvironmentFile=/etc/50%% of/D.env"))
    #expect(try !unit(with: page + "\"file:/etc/p\"}").contains { $0.hasPrefix("EnvironmentFile") })
  }

  @Test func relativePathsOfCertificatesLeadFromWhereTheUnitWasRendered() throws {
    let secure = { (certificate: String) in
      network.replacing(
        "listen: \"10.0.0.5:80\"", with: "listen: [{address: \"10.0.0.5:443\", tls: \"\(certificate)\"}]")
    }
    let unit = { (text: String) in
      SystemdUnit(
        try loaded(text).plan(for: "D"), program: "/bin/g", topologyPath: "/etc/n.yaml", directory: "/srv/50% of"
      ).text.split(separator: "\n").map(String.init)
    }
    let relative = try unit(secure("pki/{node}.pem"))
    #expect(relative.contains("WorkingDirectory=/srv/50%% of") && relative.contains("#   /srv/50% of/pki/D.pem"))
    let absolute = try unit(secure("/etc/pki/{node}.pem"))
    #expect(!absolute.contains { $0.hasPrefix("WorkingDirectory") } && absolute.contains("#   /etc/pki/D.pem"))
    #expect(absolute.contains { $0.contains("useradd --system geodirector") })
    let plain = try unit(network)
    #expect(!plain.contains { $0.hasPrefix("WorkingDirectory") || $0.contains("useradd") })
  }

  private func folders(of plan: NodePlan) -> [String] {
    SystemdUnit(plan, program: "/bin/g", topologyPath: "/n.yaml").text.split(separator: "\n").map(String.init)
      .filter { $0.hasPrefix("RuntimeDirectory") || $0.hasPrefix("ReadWritePaths") }
  }

  @Test(arguments: [
    ("/plain/path", "/plain/path"), ("/with space", "\"/with space\""), ("/50%", "/50%%"), ("/a$b", "/a$$b"),
    ("/q\"q", "\"/q\\\"q\""), ("", "\"\""), ("/a\nb", "\"/a\\nb\""),
  ])
  func wordsOfTheCommandAreTakenLiterally(word: String, expected: String) {
    #expect(SystemdUnit.word(word) == expected)
  }
}

@Suite struct HAProxyRelayTests {
  private func lines(_ relay: String) throws -> [String] {
    let topology = try loaded("geodirector: 1\nrelays: [\(relay)]")
    return HAProxyConfiguration(try topology.plan(for: "R")).text.split(separator: "\n").map(String.init)
  }

  @Test func aServerWithoutAPortIsCheckedAtOneAndReachedAtTheClients() throws {
    let lines = try lines(
      "{name: R, listen: [\"10.0.0.1:3389\", \"10.0.0.1:22\"], servers: [{name: A, host: 10.0.0.9, weight: 4}]}")
    #expect(lines.contains("  bind 10.0.0.1:3389 id 1") && lines.contains("  bind 10.0.0.1:22 id 2"))
    let server = try #require(lines.first { $0.hasPrefix("  server ") })
    #expect(server.hasPrefix("  server A 10.0.0.9 weight 4 check port 3389 inter 2000ms"))
    #expect(!server.contains("tcp-ut") && lines.filter { $0 == "  mode tcp" }.count == 2)
  }

  @Test(arguments: [
    (
      "monitor-net: 192.168.1.252/31",
      "  tcp-request connection reject if { so_id 1 } { src 192.168.1.252/31 }"
    ),
    (
      "monitor-net: [10.0.0.7/32, 10.0.0.8/32]",
      "  tcp-request connection reject if { so_id 1 } { src 10.0.0.7/32 10.0.0.8/32 }"
    ),
  ])
  func whoOnlyLooksIsToldApart(key: String, line: String) throws {
    let lines = try lines(
      "{name: R, listen: {address: \"10.0.0.1:22\", \(key)}, servers: [{name: A, host: 10.0.0.9}]}")
    #expect(lines.contains(line))
    // The word is gone from HAProxy: it refuses a file that has it. And at a relay nothing is answered.
    #expect(!lines.contains { $0.hasPrefix("  monitor-net") || $0.contains("return status") })
  }

  @Test(arguments: ["tls-hello", "{tls-hello: , interval: 5s}"])
  func aCheckByATLSHelloIsOneThereToo(check: String) throws {
    let lines = try lines(
      "{name: R, listen: \"10.0.0.1:6514\", check: \(check), servers: [{name: A, address: \"10.0.0.9:6514\"}]}")
    let option = try #require(lines.firstIndex(of: "  option ssl-hello-chk"))
    #expect(lines[option - 1].hasPrefix("  # Difference: the check's hello"))
    #expect(try #require(lines.first { $0.hasPrefix("  server ") }).contains(" check inter "))
  }
}
