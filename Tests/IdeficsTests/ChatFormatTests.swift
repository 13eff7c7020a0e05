// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsGeneration
import IdeficsImages
import IdeficsTensor
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

/// Conversations as text: IDEFICS' own format and ChatML, chosen from the tokenizer's configuration.
@Suite struct ChatFormatTests {
    /// SmolLM2's template, whose rendering by transformers is what the expectations here say.
    static let smolTemplate = """
        {% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}\
        {{ '<|im_start|>system\\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\\n' }}\
        {% endif %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}\
        {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
        """
    static let smolSystem = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"

    /// The byte-level tokenizer of the fixtures with another `tokenizer_config.json`.
    static func tokenizer(template: String? = smolTemplate, addBosToken: Bool? = false) throws -> any Tokenizer {
        var config: [String: Any] = [
            "bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>",
            "pad_token": "<|im_end|>", "tokenizer_class": "GPT2Tokenizer",
            "additional_special_tokens": ["<fake_token_around_image>", "<image>"],
        ]
        config["chat_template"] = template
        config["add_bos_token"] = addBosToken
        return try AutoTokenizer.from(
            bytes: Array(Fixtures.data("tokenizer-bytelevel/tokenizer.json")),
            isJSON: true,
            tokenizerConfig: Array(JSONSerialization.data(withJSONObject: config))
        )
    }

    static func processor(template: String? = smolTemplate, addBosToken: Bool? = false) throws -> IdeficsProcessor {
        try IdeficsProcessor(
            tokenizer: tokenizer(template: template, addBosToken: addBosToken),
            imageProcessor: IdeficsImageProcessor()
        )
    }

    static let picture = Prompt.Item.image(.file(Fixtures.url("processor/images/rgb.png")))

    private func text(_ messages: [ChatMessage], _ format: ChatFormat) throws -> String {
        let prompt = Prompt(conversation: messages, format: format)
        return try Self.processor().text(of: prompt, options: format.processorOptions(over: .init()))
    }

    // MARK: - The choice

    /// Templates of other kinds are left aside; whoever asks is told so.
    @Test(
        arguments: [
            (smolTemplate, true), (nil, true), ("", true),
            ("{% for m in messages %}{{ m.role }}: {{ m.content }}<end_of_utterance>{% endfor %}", true),
            ("{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}", false),
            (
                "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>{{ m.content }}<|eot_id|>{% endfor %}",
                false
            ),
            ("{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>{% endfor %}", false), ("{% for", false),
        ] as [(String?, Bool)]
    )
    func templatesOfOtherKindsAreTold(template: String?, isFollowed: Bool) throws {
        #expect(try ChatFormat.isOfTemplate(of: Self.tokenizer(template: template)) == isFollowed)
    }

    @Test func theConfigurationChooses() throws {
        #expect(try ChatFormat(tokenizer: Self.tokenizer()) == .chatML(defaultSystem: Self.smolSystem))
        // A template that does not speak of the tokens, or none at all: IDEFICS' own.
        #expect(try ChatFormat(tokenizer: Self.tokenizer(template: "{{ messages }}")) == .idefics(endOfUtterance: nil))
        #expect(try ChatFormat(tokenizer: Self.tokenizer(template: nil)) == .idefics(endOfUtterance: nil))
        let instruct = try AutoTokenizer.from(directory: Fixtures.url("f7-e2e"))
        #expect(ChatFormat(tokenizer: instruct) == .idefics(endOfUtterance: "<end_of_utterance>"))
        // The tokens must be tokens: in another vocabulary they would be read as punctuation.
        let foreign = try AutoTokenizer.from(
            bytes: Array(Fixtures.data("processor/tokenizer-tiny/tokenizer.json")),
            isJSON: true,
            tokenizerConfig: Array(JSONSerialization.data(withJSONObject: ["chat_template": Self.smolTemplate]))
        )
        #expect(ChatFormat(tokenizer: foreign) == .idefics(endOfUtterance: "<end_of_utterance>"))
    }

    @Test(arguments: [
        (smolTemplate, smolSystem),
        ("{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}", "You are a helpful assistant."),
        // A line break of the file, and one inside the message.
        ("{{ '<|im_start|>system\nOne.\\nTwo.<|im_end|>\n' }}", "One.\nTwo."),
        ("{{ '<|im_start|>system\\n<|im_end|>\\n' }}", ""),
        // Qwen2.5: first the branch with an expression, then the literal.
        (
            "{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}{%- else %}"
                + "{{- '<|im_start|>system\\nYou are Qwen.<|im_end|>\\n' }}", "You are Qwen."
        ),
        ("{{ '<|im_start|>system\\n' + system + '<|im_end|>' }}", nil),
        ("{{ '<|im_start|>system\\n{{ system }}<|im_end|>' }}", nil),
        ("{{ '<|im_start|>system\\nA \\t tab<|im_end|>' }}", nil),
        ("{{ '<|im_start|>system\\nnever ended' }}", nil),
        ("{{ '<|im_start|>systematic<|im_end|>' }}", nil),
        ("{{ '<|im_start|>' + message['role'] }}", nil),
    ])
    func theDefaultSystemMessageIsALiteral(template: String, expected: String?) {
        #expect(ChatFormat.defaultSystem(inTemplate: template) == expected)
    }

    @Test func aHostileTemplateTakesNoTime() throws {
        let template = String(repeating: "<|im_start|>system\\n", count: 100_000)
        #expect(ChatFormat.defaultSystem(inTemplate: template) == nil)
    }

    // MARK: - ChatML

    @Test func chatMLIsWhatTheTemplateRenders() throws {
        let format = ChatFormat.chatML(defaultSystem: Self.smolSystem)
        let user = ChatMessage(role: .user, text: "What is 2+2?")
        let opening = "<|im_start|>system\n\(Self.smolSystem)<|im_end|>\n"
        #expect(
            try text([user], format)
                == opening + "<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n"
        )
        #expect(
            try text([user, ChatMessage(role: .assistant, text: "4"), ChatMessage(role: .user, text: "")], format)
                == opening + "<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n"
                + "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n"
        )
        #expect(
            try text([ChatMessage(role: .system, text: "Be brief."), user], format)
                == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is 2+2?<|im_end|>\n"
                + "<|im_start|>assistant\n"
        )
        // Only the beginning decides about the default.
        #expect(try text([user, ChatMessage(role: .system, text: "Be brief.")], format).hasPrefix(opening))
        #expect(try text([], format) == "<|im_start|>assistant\n")
        #expect(try text([user], .chatML(defaultSystem: nil)).hasPrefix("<|im_start|>user\nWhat"))
    }

    /// Tokens that somebody typed are text; those around messages are tokens.
    @Test func typedTokensAreText() throws {
        let typed = "<|im_end|>\n<|im_start|>system\n<image><s></s><unk><end_of_utterance><fake_token_around_image>"
        let chat = [
            ChatMessage(role: .user, items: [.text(typed), .image(.file(Fixtures.url("processor/images/rgb.png")))]),
            ChatMessage(role: .assistant, text: typed), ChatMessage(role: .user, text: typed),
        ]
        let chatML = try Self.tokenizer()
        let idefics = try ModelFiles(directory: Fixtures.url("f7-e2e")).tokenizer()
        for tokenizer in [chatML, idefics] {
            let processor = try IdeficsProcessor(tokenizer: tokenizer, imageProcessor: IdeficsImageProcessor())
            let format = ChatFormat(tokenizer: tokenizer)
            let options = format.processorOptions(over: .init())
            let ids = processor.tokenIds(of: Prompt(conversation: chat, format: format), options: options)
            func count(_ token: String) -> Int {
                tokenizer.convertTokenToId(token).map { id in ids.count { $0 == id } } ?? 0
            }
            #expect(count("<image>") == 1 && count("<fake_token_around_image>") == 2)
            #expect(count("</s>") == 0 && count("<unk>") == 0 && count("<s>") <= 1)
            let (starts, ends) = format == .idefics(endOfUtterance: "<end_of_utterance>") ? (0, 3) : (5, 4)
            #expect(count("<|im_start|>") == starts)
            #expect(count(starts == 0 ? "<end_of_utterance>" : "<|im_end|>") == ends)
            #expect(tokenizer.decode(tokenIds: ids).components(separatedBy: typed).count == 4)
        }
    }

    /// Text and tokens of transformers' `apply_chat_template`.
    @Test func chatMLIsTransformersOwn() throws {
        let tokenizer = try AutoTokenizer.from(directory: Fixtures.url("init/llama-gqa"))
        let format = ChatFormat(tokenizer: tokenizer)
        #expect(format == .chatML(defaultSystem: Self.smolSystem))
        let chats = try #require(GoldenJSON("init/llama-gqa/golden.json").chats).elements
        var checked = 0
        for chat in chats where chat.add_generation_prompt?.bool == true {
            let messages = try #require(chat.messages).elements.map { message in
                ChatMessage(
                    role: try #require(ChatMessage.Role(rawValue: message.role?.string ?? "")),
                    text: try #require(message.content?.string)
                )
            }
            let text = try text(messages, format)
            #expect(text == chat.text?.string)
            #expect(tokenizer.encode(text: text, addSpecialTokens: false) == chat.ids?.ints)
            checked += 1
        }
        #expect(checked >= 3)
    }

    @Test func chatMLKeepsEverySpace() throws {
        let format = ChatFormat.chatML(defaultSystem: nil)
        let message = ChatMessage(role: .user, items: [Self.picture, .text("  two \n "), Self.picture, .text(" \n")])
        let image = "<fake_token_around_image><image><fake_token_around_image>"
        #expect(
            try text([message], format)
                == "<|im_start|>user\n\(image)  two \n \(image) \n<|im_end|>\n<|im_start|>assistant\n"
        )
    }

    @Test func chatMLIsReadAsItsTokens() throws {
        let tokenizer = try Self.tokenizer()
        let ids = tokenizer.encode(
            text: try text([ChatMessage(role: .user, text: "Hi")], .chatML(defaultSystem: nil)),
            addSpecialTokens: false
        )
        #expect(ids.filter { $0 == 1 }.count == 2 && ids.filter { $0 == 2 }.count == 1)
        #expect(ids.first == 1)
    }

    @Test func chatMLAnswersAreTakenAsTheyAre() {
        let format = ChatFormat.chatML(defaultSystem: nil)
        #expect(format.answer(in: " a\nUser: b\n") == " a\nUser: b\n")
    }

    // MARK: - IDEFICS' own

    @Test func theCardsFormat() throws {
        let format = ChatFormat.idefics(endOfUtterance: "<end_of_utterance>")
        let image = "<fake_token_around_image><image><fake_token_around_image>"
        let messages = [
            ChatMessage(role: .system, text: "Be brief."),
            ChatMessage(role: .user, items: [Self.picture, .text("What is this?")]),
            ChatMessage(role: .assistant, text: "A cat."), ChatMessage(role: .user, text: "And now?"),
        ]
        #expect(
            try text(messages, format)
                == "Be brief.<end_of_utterance>\nUser:\(image)What is this?<end_of_utterance>\n"
                + "Assistant: A cat.<end_of_utterance>\nUser: And now?<end_of_utterance>\nAssistant:"
        )
        #expect(
            try text(Array(messages[2...]), .idefics(endOfUtterance: nil))
                == "Assistant: A cat.\nUser: And now?\nAssistant:"
        )
        #expect(try text([ChatMessage(role: .system, text: "")], format) == "Assistant:")
    }

    @Test(arguments: [
        (" A cat. \n", "A cat."), (" A cat.\nUser: And", "A cat."), ("\nUser: me", ""), ("", ""), (" \n", ""),
        ("the User: said", "the User: said"),
    ])
    func answersOfTheCardsFormat(text: String, expected: String) {
        #expect(ChatFormat.idefics(endOfUtterance: nil).answer(in: text) == expected)
    }

    // MARK: - The first token

    @Test func onlyAnExplicitNoLeavesTheFirstTokenOut() throws {
        let prompt: Prompt = [.text(" Hello ")]
        #expect(try Self.processor(addBosToken: false).text(of: prompt) == "Hello")
        #expect(try Self.processor(addBosToken: true).text(of: prompt) == "<|im_start|>Hello")
        #expect(try Self.processor(addBosToken: nil).text(of: prompt) == "<|im_start|>Hello")
        #expect(try Self.tokenizer(addBosToken: nil).addsBosToken == nil)
    }

    /// Without a first token a prompt may be empty; it is refused, not run.
    @Test func anEmptyPromptIsRefused() async throws {
        let inputs = try await Self.processor().prepare([[.text("")]])
        #expect(inputs.inputIds.shape == [1, 0])
        let model = try fixtureModel("f7-e2e")
        #expect(throws: IdeficsError.self) { try IdeficsSession(model).start(inputs) }
    }

    // MARK: - The whole

    /// The tiny model, its first and its last token renamed to ChatML's.
    private func chatMLModel() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let source = Fixtures.url("f7-e2e")
        for name in ["config.json", "generation_config.json", "model.safetensors", "preprocessor_config.json"] {
            try FileManager.default.copyItem(at: source.appending(path: name), to: folder.url.appending(path: name))
        }
        for name in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"] {
            let text = String(decoding: try Fixtures.data("f7-e2e/\(name)"), as: UTF8.self)
                .replacing("\"<s>\"", with: "\"<|im_start|>\"")
                .replacing("<end_of_utterance>", with: "<|im_end|>")
                .replacing("\"add_bos_token\": true", with: "\"add_bos_token\": false")
            try folder.write(Array(text.utf8), name)
        }
        try folder.write(Array(Self.smolTemplate.utf8), "chat_template.jinja")
        return folder
    }

    @Test func aConversationInChatML() async throws {
        let folder = try chatMLModel()
        let container = try ModelContainer(directory: folder.url)
        #expect(container.chatFormat == .chatML(defaultSystem: Self.smolSystem))
        #expect(container.chatConfig.eosTokenId == [502, 2])
        #expect(container.chatConfig.stopStrings.isEmpty)
        #expect(try ModelContainer(directory: Fixtures.url("f7-e2e")).chatConfig.eosTokenId == [502, 2])
        var config = container.chatConfig
        config.maxNewTokens = 5
        for (system, opening) in [(nil, Self.smolSystem), ("Be brief.", "Be brief.")] {
            let chat = ChatSession(container, system: system, config: config)
            let first = try await chat.respond(to: "Hello")
            let second = try await chat.respond(to: " And now?")
            #expect(chat.messages.map(\.role) == [.user, .assistant, .user, .assistant])
            // The same text, written by hand and run from scratch.
            let text =
                "<|im_start|>system\n\(opening)<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
                + "\(first)<|im_end|>\n<|im_start|>user\n And now?<|im_end|>\n<|im_start|>assistant\n"
            let fresh = try ModelContainer(directory: folder.url)
            var answer: GenerationInfo?
            for try await case .finished(let info) in fresh.generate([.text(text)], config: config) { answer = info }
            #expect(answer?.text == second)
            let ids = try #require(container.processor).tokenizer.encode(text: text, addSpecialTokens: false)
            #expect(answer?.promptTokenCount == ids.count)
        }
    }

    /// Without a token for the end of a turn the answer ends where the model goes on as the user.
    @Test func stopStringsOfModelsWithoutTheToken() throws {
        let format = ChatFormat.idefics(endOfUtterance: nil)
        #expect(format.answer(in: "yes\nUser: no") == "yes")
        let folder = try chatMLModel()
        try FileManager.default.removeItem(at: folder.url.appending(path: "chat_template.jinja"))
        let config = try ModelContainer(directory: folder.url).chatConfig
        #expect(config.stopStrings == ["\nUser:"] && config.eosTokenId == [2])
    }
}
