import Foundation
import FoundationXML
import Testing
import Topology

@testable import geodirector

/// What an XML parser finds in a drawing.
private final class Found: NSObject, XMLParserDelegate {
  var elements: [(name: String, attributes: [String: String])] = []
  var words: [String] = []
  private var open: [String] = []
  private var text = ""

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    elements.append((name, attributes))
    open.append(name)
    text = ""
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }

  func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    if name == "text" || name == "title" || name == "desc" { words.append(text) }
    open.removeLast()
    text = ""
  }

  static func parse(_ svg: String) -> Found? {
    let found = Found()
    let parser = XMLParser(data: Data(svg.utf8))
    parser.delegate = found
    return parser.parse() ? found : nil
  }
}

@Suite struct NetworkSVGTests {
  @Test(arguments: Networks.names) func theDrawingIsValidXMLAndNamesEverything(name: String) throws {
    let topology = try Networks.named(name)
    let found = try #require(Found.parse(NetworkSVG(topology).text))
    #expect(found.elements.first?.name == "svg")
    #expect(found.elements.first?.attributes["xmlns"] == "http://www.w3.org/2000/svg")
    #expect(found.words.contains("Network \(topology.name)"))
    for name in topology.nodes.map(\.name) + topology.sites.map(\.name) { #expect(found.words.contains(name)) }
    // Servers beyond two dozen are counted, not named.
    for site in topology.sites {
      for server in site.servers.prefix(24) { #expect(found.words.contains(server.name)) }
      if site.servers.count > 24 { #expect(found.words.contains("and \(site.servers.count - 24) more")) }
    }
  }

  @Test func theSameTopologyGivesTheSameBytes() throws {
    #expect(try NetworkSVG(Networks.named("worldwide")).text == NetworkSVG(Networks.named("worldwide")).text)
  }

  @Test func itHasAnotherLookOnDarkGround() throws {
    let text = try NetworkSVG(Networks.named("two-sites")).text
    #expect(text.contains("@media (prefers-color-scheme: dark)"))
    // Each class that has a colour on light ground has one on dark.
    for index in 0..<DrawingStyle.colourCount {
      #expect(text.components(separatedBy: ".fill-c\(index) ").count == 3)
    }
  }

  @Test(arguments: Networks.names) func nothingLiesOverAnythingElse(name: String) throws {
    let layout = NetworkLayout(NetworkPicture(try Networks.named(name)))
    let cards = layout.offices.map(\.frame) + layout.sites.map(\.frame)
    for (index, card) in cards.enumerated() {
      #expect(card.x >= 0 && card.y >= NetworkLayout.heading && card.right <= layout.width)
      #expect(card.bottom <= layout.height - 40)
      for other in cards[(index + 1)...] {
        #expect(
          card.right <= other.x || other.right <= card.x || card.bottom <= other.y || other.bottom <= card.y)
      }
    }
    for card in layout.sites {
      let chips = card.tiers.flatMap(\.chips).map(\.frame)
      for (index, chip) in chips.enumerated() {
        #expect(chip.x >= card.frame.x && chip.y >= card.frame.y && chip.bottom <= card.frame.bottom)
        #expect(chip.right <= (card.rows.isEmpty ? card.frame.right : layout.siteLinksX))
        for other in chips[(index + 1)...] {
          #expect(
            chip.right <= other.x || other.right <= chip.x || chip.bottom <= other.y || other.bottom <= chip.y)
        }
      }
      for row in card.rows { #expect(row.middle > card.frame.y && row.middle < card.frame.bottom) }
    }
    for card in layout.offices {
      for row in card.rows { #expect(row.middle > card.frame.y && row.middle < card.frame.bottom) }
    }
  }

  @Test func curvesGoFromAnOfficesRowToItsSite() throws {
    let topology = try Networks.named("two-sites")
    let layout = NetworkLayout(NetworkPicture(topology))
    #expect(layout.curves.count == 6)
    #expect(layout.arcs.count == 1)
    for curve in layout.curves {
      let frame = layout.sites[curve.site].frame
      #expect(curve.to.x == frame.x && curve.to.y > frame.y && curve.to.y < frame.bottom)
      #expect(
        layout.offices.contains { $0.frame.right == curve.from.x && $0.rows.contains { $0.middle == curve.from.y } })
    }
    #expect(
      layout.curves.filter { $0.rank == 1 }.map(\.title).sorted() == [
        "OP1 to SITE1: 15 ms, 0.05/GB", "OP2 to SITE1: 25 ms, 0.05/GB", "OP3 to SITE2: 20 ms, 0.05/GB",
      ])
  }

  @Test func markupInTextIsEscaped() {
    var svg = SVGText(width: 10, height: 10.126, title: "a < b & \"c\"", description: "\u{1}\n", style: "text {}")
    svg.begin("g", [("id", "x\"y")])
    svg.text("name", x: 1.004, y: 2.5, "<script>", anchor: .end)
    svg.path("way", "M0 0", title: "A > B")
    let text = svg.finished()
    #expect(text.contains("<title id=\"title\">a &lt; b &amp; &quot;c&quot;</title>"))
    #expect(text.contains("x=\"1\" y=\"2.5\" text-anchor=\"end\">&lt;script&gt;</text>"))
    #expect(text.contains("viewBox=\"0 0 10 10.13\""))
    #expect(Found.parse(text)?.elements.map(\.name) == ["svg", "title", "desc", "style", "g", "text", "path", "title"])
  }
}
