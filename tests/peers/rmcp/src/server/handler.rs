//! The server as rmcp sees it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

#[expect(deprecated, reason = "logging is of the handshake era, which this server speaks")]
use rmcp::model::SetLevelRequestParams;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
    GetPromptRequestParams, GetPromptResponse, GetPromptResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ServerConfig,
    SubscribeRequestParams, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ErrorData, ServerHandler};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::offer::{OFFER, completion, contents, page, prompt, typed};
use crate::tools::run;

/// One session.
pub struct Handler {
    state: Mutex<State>,
    /// One permit for each `hold` that was cancelled.
    pub stopped: Arc<Semaphore>,
}

#[derive(Default)]
pub struct State {
    /// Position of the lowest level that the client wants; it wants all until it says otherwise.
    pub level: usize,
    pub subscribed: BTreeSet<String>,
    pub grown: bool,
}

/// Of rising severity.
pub const LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

impl Default for Handler {
    fn default() -> Self {
        Handler { state: Mutex::default(), stopped: Arc::new(Semaphore::new(0)) }
    }
}

impl Handler {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with this lock")
    }
}

type Context = RequestContext<RoleServer>;
type Page = Option<PaginatedRequestParams>;

#[expect(deprecated, reason = "subscribe and unsubscribe are of the handshake era, which this server speaks")]
impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        typed(OFFER["info"].clone()).expect("offer.json has what initialize gives")
    }

    async fn list_tools(&self, request: Page, _: Context) -> Result<ListToolsResult, ErrorData> {
        page("tools", self.state().grown, request)
    }

    async fn list_resources(&self, request: Page, _: Context) -> Result<ListResourcesResult, ErrorData> {
        page("resources", self.state().grown, request)
    }

    async fn list_resource_templates(
        &self,
        request: Page,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        page("resourceTemplates", self.state().grown, request)
    }

    async fn list_prompts(&self, request: Page, _: Context) -> Result<ListPromptsResult, ErrorData> {
        page("prompts", self.state().grown, request)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.map_or(json!({}), Value::Object);
        let result: CallToolResult = typed(run(self, &request.name, &arguments, &context).await?)?;
        Ok(result.into())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(typed::<ReadResourceResult>(contents(&request.uri)?)?.into())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = serde_json::to_value(&request.arguments).expect("arguments are JSON");
        Ok(typed::<GetPromptResult>(prompt(&request.name, &arguments)?)?.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: Context,
    ) -> Result<CompleteResult, ErrorData> {
        typed(completion(&serde_json::to_value(&request).expect("parameters are JSON")))
    }

    async fn set_level(&self, request: SetLevelRequestParams, _: Context) -> Result<(), ErrorData> {
        let level = serde_json::to_value(request.level).expect("a level is JSON");
        self.state().level = LEVELS.iter().position(|known| level == *known).expect("rmcp knows no other");
        Ok(())
    }

    async fn subscribe(&self, request: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        self.state().subscribed.insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        self.state().subscribed.remove(&request.uri);
        Ok(())
    }
}
