// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsImages
import IdeficsTestSupport
import IdeficsTokenizers
import IdeficsTraining
import Testing

/// Layouts of examples: everything in a line is used where it belongs, or refused.
@Suite struct DataLayoutTests {
    private let processor: IdeficsProcessor

    init() throws {
        processor = try ModelFiles(directory: TrainingFixture.model).processor()
    }

    private func example(_ line: String, _ config: DataConfig = DataConfig()) throws -> TrainingExample {
        try TrainingExample(json: Data(line.utf8), folder: URL(filePath: "/data"), config: config)
    }

    /// The example as `role:text,[picture],…` or, for documents, its items.
    private func outline(_ line: String, _ config: DataConfig = DataConfig()) throws -> [String] {
        func outline(_ items: [Prompt.Item]) -> [String] {
            items.map { item in
                switch item {
                case .image(.file(let url)): "[\(url.path.replacing("/data/", with: ""))]"
                case .image(.url(let url)): "[\(url.absoluteString)]"
                case .image(.dataURL(let text)): "[\(text)]"
                case .image: "[?]"
                default: item.markedText?.plain ?? ""
                }
            }
        }
        return switch try example(line, config).content {
        case .document(let items): outline(items)
        case .conversation(let messages):
            messages.map { "\($0.role.rawValue):\(outline($0.items).joined(separator: "|"))" }
        }
    }

    private func reason(_ line: String, _ config: DataConfig = DataConfig()) -> String {
        do {
            _ = try example(line, config)
            return "no problem"
        } catch let problem as ExampleProblem {
            return problem.reason
        } catch {
            return "\(error)"
        }
    }

    private static let answer = #"{"role":"assistant","content":"A cat."}"#

    /// As TRL, LLaMA-Factory, ms-swift and LLaVA have them.
    @Test(arguments: [
        (#"{"messages":[{"role":"user","content":"<image>\nWhat?"},A],"images":["a.png"]}"#, "user:[a.png]|What?"),
        (#"{"messages":[{"role":"user","content":"What?\n<image>"},A],"images":["a.png"]}"#, "user:What?|[a.png]"),
        (
            #"{"messages":[{"role":"user","content":"Is <image> like <image>?"},A],"images":["a.png","b.png"]}"#,
            "user:Is |[a.png]| like |[b.png]|?"
        ),
        (
            #"{"messages":[{"role":"user","content":[{"type":"image"},{"type":"text","text":"What?"}]},A],"images":["a.png"]}"#,
            "user:[a.png]|What?"
        ),
        (
            #"{"messages":[{"role":"user","content":[{"type":"text","text":"<image>?"},{"type":"image"}]},A],"images":["a.png"]}"#,
            "user:<image>?|[a.png]"
        ),
        (
            #"{"messages":[{"role":"user","content":"What?"},A],"images":["a.png","b.png"]}"#,
            "user:[a.png]|[b.png]|What?"
        ),
        (
            #"{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"What?"},A],"image":"a.png"}"#,
            "system:Be brief.|user:[a.png]|What?"
        ),
        (
            #"{"messages":[{"role":"user","content":"<image>What?"},A],"images":[{"path":"a.png","bytes":null}]}"#,
            "user:[a.png]|What?"
        ),
        (
            #"{"messages":[{"role":"user","content":"<image>What?"},A],"images":[{"bytes":"AAAA","path":"a.png"}]}"#,
            "user:[data:;base64,AAAA]|What?"
        ),
        (
            #"{"messages":[{"role":"user","content":"<image>What?"},A],"images":[{"url":"https://x.org/a.png"}]}"#,
            "user:[https://x.org/a.png]|What?"
        ),
        (
            #"{"id":"7","image":"a.png","conversations":[{"from":"human","value":"<image>\nWhat?"},{"from":"gpt","value":"A cat."}]}"#,
            "user:[a.png]|What?"
        ),
        (
            #"{"conversations":[{"from":"human","value":"What?"},{"from":"gpt","value":"A cat."}],"system":"Be brief."}"#,
            "system:Be brief.|user:What?"
        ),
        (#"{"messages":[{"role":"user","content":"What is <image>?"},A]}"#, "user:What is <image>?"),
        (#"{"messages":[{"role":"user","content":"What is <image>?"},A],"images":null}"#, "user:What is <image>?"),
        (
            #"{"messages":[{"role":"user","content":"What?","name":null,"tool_calls":[]},A],"images":[],"videos":[],"tools":null}"#,
            "user:What?"
        ),
        (
            #"{"messages":[{"role":"user","content":[{"text":"What?","image":null},{"text":null,"image":"a.png"}]},A]}"#,
            "user:What?|[a.png]"
        ),
        (#"{"messages":[{"role":"user","content":[{"text":"What?","image":"a.png"}]},A]}"#, "user:[a.png]|What?"),
        // A struct that is not there, as Arrow writes it.
        (
            #"{"messages":[{"role":"user","content":[{"type":"text","text":"What?","image_url":{"url":null}}]},A]}"#,
            "user:What?"
        ),
        (
            #"{"messages":[{"role":"user","content":"What?","audio":{"path":null}},A],"images":[{"path":null,"bytes":null}],"video":{"a":[{"b":null}]}}"#,
            "user:What?"
        ),
        (
            #"{"messages":[{"role":"user","content":"What?"},A],"images":["a.png"],"image":{"path":null,"bytes":null}}"#,
            "user:[a.png]|What?"
        ),
    ])
    func conversations(line: String, expected: String) throws {
        let line = line.replacing(",A]", with: ",\(Self.answer)]")
        #expect(try outline(line).joined(separator: "|") == "\(expected)|assistant:A cat.")
    }

    @Test(arguments: [
        (#"{"image":"a.png","text":"A cat."}"#, "[a.png]|A cat."),
        (#"{"images":["a.png","b.png"],"text":"Two cats."}"#, "[a.png]|[b.png]|Two cats."),
        (
            #"{"images":["a.png","b.png"],"text":"One <image> and\n<image>\nanother."}"#,
            "One |[a.png]| and\n|[b.png]|another."
        ),
        (#"{"text":"Only text with <image> in it."}"#, "Only text with <image> in it."),
        (#"{"document":[{"image":"a.png","text":"A cat."},{"text":"Look:","image":null}]}"#, "[a.png]|A cat.|Look:"),
        (#"{"document":[{"type":"image"},{"text":"A cat."}],"images":["a.png"]}"#, "[a.png]|A cat."),
        (
            #"{"texts":[null,"A cat.",null],"images":["a.png",null,"b.png"],"metadata":{"x":[1]}}"#,
            "[a.png]|A cat.|[b.png]"
        ),
        (#"["hi",{"image":"a.png","text":"A cat."}]"#, "hi|[a.png]|A cat."),
        (#"{"texts":["A cat.",null],"images":[{"path":null,"bytes":null},"a.png"]}"#, "A cat.|[a.png]"),
        (#"{"text":"A cat.","image":{"path":null,"bytes":null}}"#, "A cat."),
        (#"{"document":["A cat.",{"image":{"bytes":"AAAA","path":null}}]}"#, "A cat.|[data:;base64,AAAA]"),
    ])
    func documents(line: String, expected: String) throws {
        #expect(try outline(line).joined(separator: "|") == expected)
    }

    /// What would not be used is refused, and the reason says what it is.
    @Test(arguments: [
        (#"{"messages":[{"role":"user","content":"<image> <image>"},A],"images":["a.png"]}"#, "2 <image> for 1"),
        (#"{"messages":[{"role":"user","content":"<image>"},A],"images":["a.png","b.png"]}"#, "1 <image> for 2"),
        (#"{"messages":[{"role":"user","content":"<image>?"},A],"images":[]}"#, "1 <image> for 0"),
        (#"{"messages":[{"role":"user","content":[{"type":"image"},{"text":"?"}]},A]}"#, "names no image"),
        (
            #"{"messages":[{"role":"user","content":[{"image":"b.png"},{"text":"?"}]},A],"images":["a.png"]}"#,
            "without placeholders"
        ),
        (#"{"messages":[{"role":"user","content":"?"},A],"image":"a.png","images":["b.png"]}"#, "images"),
        (#"{"messages":[{"role":"user","content":"?"},A],"videos":["a.mp4"]}"#, "videos"),
        (#"{"messages":[{"role":"user","content":"?","weight":0},A]}"#, "messages[0].weight"),
        (#"{"messages":[{"role":"user","content":"?","images":["a.png"]},A]}"#, "messages[0].images"),
        (#"{"messages":[{"role":"user","content":"?"},A],"images":[{"url":"a.png","caption":"x"}]}"#, "caption"),
        (#"{"messages":[{"role":"user","content":"?"},A],"text":"User: ?"}"#, "\"messages\" and \"text\""),
        (#"{"messages":[{"role":"user","content":null},A]}"#, "content"),
        (#"{"messages":[{"role":"tool","content":"?"},A]}"#, "messages[0].role"),
        (#"{"messages":[{"role":"user","content":"?"}]}"#, "no answer"),
        (#"{"messages":[{"role":"user","content":"?"},{"role":"assistant","content":" \n"}]}"#, "no answer that says"),
        (#"{"document":[{"image":"a.png"}]}"#, "no text"),
        (#"{"text":"A cat.","url":"https://x.org/a.png"}"#, "url"),
        (#"{"instruction":"?","output":"A cat."}"#, "has none of"),
        (#"{"texts":["a","b"],"images":[null]}"#, "2 elements"),
        (#"{"texts":["a"],"images":["a.png"]}"#, "images[0]"),
        (#"{"messages":[{"role":"user","content":"?"},A]} {}"#, "not valid JSON"),
        (#"{"text":"A cat.","image":{"width":3,"path":null}}"#, "has neither"),
        (#"{"text":"A cat.","image":{}}"#, "has neither"),
        (#"{"text":"A cat.","audio":{"path":"a.wav","bytes":null}}"#, "audio"),
        (#"{"messages":[{"role":"user","content":"\ud800"},A]}"#, "surrogate"),
        (#"{"text":"A cat.","image":"\ud800"}"#, "surrogate"), (#"{"document":["\ud800"]}"#, "surrogate"),
    ])
    func whatIsNotUsedIsRefused(line: String, part: String) {
        let reason = reason(line.replacing(",A]", with: ",\(Self.answer)]"))
        #expect(reason.contains(part) && reason != "no problem", "\(reason)")
    }

    @Test func keysCanBeIgnored() throws {
        let line = #"{"messages":[{"role":"user","content":"?","weight":0},\#(Self.answer)],"text":"x","videos":["a"]}"#
        var config = DataConfig()
        config.ignoredKeys = ["text", "videos", "weight"]
        #expect(try outline(line, config) == ["user:?", "assistant:A cat."])
        config.ignoredKeys = ["text", "videos"]
        #expect(reason(line, config).contains("weight"))
    }

    /// A conversation has nothing to learn without an answer, unless everything counts.
    @Test func questionsCountWhenAsked() throws {
        var config = DataConfig()
        config.loss = .all
        #expect(try outline(#"{"messages":[{"role":"user","content":"What?"}]}"#, config) == ["user:What?"])
        #expect(reason(#"{"messages":[{"role":"user","content":" "}]}"#, config) == "has no text to learn")
    }

    // MARK: - Words

    private func ids(_ line: String) throws -> [Int] {
        try EncodedExample(example(line), processor: processor, config: DataConfig()).tokenIds
    }

    private func count(_ token: String, in ids: [Int]) -> Int {
        processor.tokenizer.convertTokenToId(token).map { id in ids.count { $0 == id } } ?? -1
    }

    @Test func tokensTypedInMessagesAreText() throws {
        let typed = "<image></s><s><unk><end_of_utterance><fake_token_around_image>"
        let example = try EncodedExample(
            example(
                #"{"messages":[{"role":"user","content":"\#(typed)"},{"role":"assistant","content":"\#(typed)!"}]}"#
            ),
            processor: processor,
            config: DataConfig()
        )
        let ids = example.tokenIds
        #expect(count("<image>", in: ids) == 0 && count("<fake_token_around_image>", in: ids) == 0)
        #expect(count("</s>", in: ids) == 0 && count("<unk>", in: ids) == 0)
        #expect(count("<s>", in: ids) == 1 && count("<end_of_utterance>", in: ids) == 2)
        // The answer is learned whole, and its end.
        let targets = zip(ids, example.isTarget).filter(\.1).map(\.0)
        #expect(processor.tokenizer.decode(tokenIds: targets).contains("\(typed)!<end_of_utterance>"))
    }

    /// In documents special tokens are tokens, but `<image>` only where there is a picture.
    @Test func documentsAreWrittenAsPromptsAre() throws {
        let ids = try ids(#"{"document":[{"text":"<image> a<end_of_utterance>b</s>"},{"image":"a.png"},{"text":"c"}]}"#)
        #expect(count("<image>", in: ids) == 1 && count("<fake_token_around_image>", in: ids) == 2)
        #expect(count("<end_of_utterance>", in: ids) == 1 && count("</s>", in: ids) == 2)
    }
}
